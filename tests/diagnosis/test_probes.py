"""What a train step does is measured from outside."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funclearn import gradients
from funclearn.data import Dataset
from funclearn.diagnosis._probes import probe
from funclearn.training import StepInfo, init_state, make_train_step

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)
TRAIN = Dataset(jnp.float32(RANDOM.normal(size=(16, 3))), jnp.ones(16))
START = jnp.float32([1.0, -2.0, 0.5])


def squares(params, batch, key):
    del key
    return jnp.mean((batch.inputs @ params - batch.targets) ** 2)


def probed(optimizer, *, objective=squares, change=None, start=START):
    method = gradients.autodiff
    if change is not None:
        method = gradients.given(
            lambda params, batch: change(jax.grad(squares)(params, batch, KEY))
        )
    step = make_train_step(objective, optimizer, gradient=method)
    return probe(objective, step, init_state(KEY, start, optimizer), TRAIN)


@pytest.mark.parametrize(
    "optimizer, kind, rate, decay",
    [
        (optax.sgd(0.3), "gradient", 0.3, 0.0),
        (optax.sgd(0.3, 0.9), "gradient", 0.3, 0.0),
        (optax.sgd(-0.3), "gradient", -0.3, 0.0),
        (optax.adam(0.1), "sign", 0.1, 0.0),
        (optax.rmsprop(0.1, decay=0.75), "sign", 0.2, 0.0),
        (optax.lion(0.1, weight_decay=0.0), "sign", 0.1, 0.0),
        (optax.adamw(0.1, weight_decay=0.5), "sign", 0.1, 0.05),
        (optax.normalize_by_update_norm(-3.0), "norm", 3.0, 0.0),
        (
            optax.chain(optax.add_decayed_weights(5.0), optax.sgd(0.1)),
            "gradient",
            0.1,
            0.5,
        ),
        (
            optax.chain(optax.add_decayed_weights(-2.0), optax.sgd(0.1)),
            "gradient",
            0.1,
            -0.2,
        ),
    ],
)
def test_finds_the_law_of_an_optimizer(optimizer, kind, rate, decay):
    found = probed(optimizer)
    assert found.law is not None
    assert found.law.kind == kind
    assert found.law.rate == pytest.approx(rate, rel=1e-3)
    assert found.law.decay == pytest.approx(decay, rel=1e-2)
    assert not found.is_wrong
    assert found.slope == pytest.approx(1.0, abs=1e-2)
    assert found.is_uphill == (rate < 0)


def test_newtons_method_has_another_law():
    def step(state, batch):
        slope, hessian = jax.grad(squares), jax.hessian(squares)
        at = state.params, batch, KEY
        move = jnp.linalg.solve(hessian(*at) + jnp.diag(at[0] ** 2), slope(*at))
        after = state._replace(params=state.params - move)
        return after, StepInfo(squares(*at), slope(*at))

    state = init_state(KEY, START, optax.sgd(1.0))
    found = probe(squares, step, state, TRAIN)
    assert found.law is None
    assert not found.is_wrong
    assert not found.is_uphill


@pytest.mark.parametrize(
    "change, slope, wrong, backwards",
    [
        (lambda g: g, 1, False, False),
        (jnp.negative, -1, True, True),
        (lambda g: 3 * g, 1 / 3, True, False),
        (lambda g: g * jnp.array([1.0, 1.0, -1.0]), None, True, False),
        (lambda g: g.at[1].set(0.0), 1, True, False),
        (lambda g: 1.01 * g, 1 / 1.01, False, False),
    ],
)
def test_finds_slips_of_a_gradient(change, slope, wrong, backwards):
    found = probed(optax.sgd(0.1), change=change)
    assert (found.is_wrong, found.backwards) == (wrong, backwards)
    if slope is not None:
        assert found.slope == pytest.approx(slope, rel=2e-2)
    true = np.asarray(jax.grad(squares)(START, TRAIN, KEY), np.float64)
    given = np.asarray(change(jnp.float32(true)), np.float64)
    differs = np.linalg.norm(given - true) / np.linalg.norm(true)
    assert found.differs == pytest.approx(differs, rel=1e-3, abs=1e-5)


def test_a_rule_of_the_objective_with_the_wrong_sign_is_found():
    @jax.custom_jvp
    def square(x):
        return x**2

    square.defjvps(lambda slope, value, x: -2 * x * slope)

    def objective(params, batch, key):
        del key
        return jnp.mean(square(batch.inputs @ params - batch.targets))

    found = probed(optax.sgd(0.1), objective=objective)
    assert found.slope == pytest.approx(-1, rel=1e-2)
    assert found.differs == pytest.approx(0, abs=1e-6)
    assert found.backwards


def test_an_update_that_overflows():
    found = probed(optax.sgd(3e38), start=100 * START)
    assert found.overflows
    assert not probed(optax.sgd(0.1)).overflows


def test_a_point_without_a_slope_is_no_error():
    def flat(params, batch, key):
        del batch, key
        return 0 * jnp.sum(params)

    found = probed(optax.sgd(0.1), objective=flat)
    assert (found.slope, found.law, found.is_wrong) == (None, None, False)


def test_gradient_and_parameters_in_parallel_are_a_rate_alone():
    def bowl(params, batch, key):
        del batch, key
        return jnp.sum(params**2)

    law = probed(optax.sgd(0.1), objective=bowl).law
    assert law is not None
    assert (law.kind, law.decay) == ("gradient", 0.0)
    assert law.rate == pytest.approx(0.1, rel=1e-4)


@pytest.mark.slow
def test_what_a_mask_leaves_out_goes_along_its_gradient():
    def objective(params, batch, key):
        return squares(params["w"] + params["b"], batch, key)

    optimizer = optax.masked(optax.sgd(0.1), {"w": True, "b": False})
    start = {"w": START, "b": jnp.zeros(())}
    found = probed(optimizer, objective=objective, start=start)
    assert found.turned == (-1, 1)  # in the order of the names
    assert found.law is None
    assert probed(optax.sgd(0.1), objective=objective, start=start).turned == (1, 1)
