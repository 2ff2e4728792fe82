"""What is said of a divergence is what was built in, and what is advised ends it."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funclearn import gradients
from funclearn.data import Dataset
from funclearn.diagnosis import DivergenceCause, explain_divergence
from funclearn.training import (
    StepInfo,
    TrainState,
    fit,
    init_state,
    make_train_step,
)

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(16, 3))
TARGETS = INPUTS @ [1.0, -2.0, 0.5] + 0.1 * RANDOM.normal(size=16)
TRAIN = Dataset(jnp.float32(INPUTS), jnp.float32(TARGETS))
LARGEST = np.linalg.eigvalsh(2 * INPUTS.T @ INPUTS / 16)[-1]
START = jnp.float32([3.0, 1.0, -1.0])
EPOCHS = 60


def squares(params, batch, key):
    del key
    return jnp.mean((batch.inputs @ params - batch.targets) ** 2)


def concave(params, batch, key):
    return -squares(params, batch, key)


def exponential(params, batch, key):
    del key
    return jnp.mean((jnp.exp(3 * batch.inputs @ params) - batch.targets) ** 2)


def logarithm(params, batch, key):
    return squares(params, batch, key) / 100 + params[0] - jnp.log(params[0])


def root(params, batch, key):
    return jnp.sqrt(jnp.sum(params**2)) + 0 * squares(params, batch, key)


MAKE = {
    "sgd": lambda learning_rate, momentum: optax.sgd(learning_rate, momentum),
    "nesterov": lambda learning_rate, momentum: optax.sgd(
        learning_rate, momentum, nesterov=True
    ),
    "adam": lambda learning_rate, momentum: optax.adam(learning_rate),
    "rmsprop": lambda learning_rate, momentum: optax.rmsprop(learning_rate),
    "adamw": lambda learning_rate, momentum: optax.adamw(
        learning_rate, weight_decay=1e-4
    ),
    "decayed": lambda learning_rate, momentum: optax.adamw(
        learning_rate, weight_decay=40.0
    ),
    "penalised": lambda learning_rate, momentum: optax.chain(
        optax.add_decayed_weights(5.0), optax.sgd(learning_rate)
    ),
    "growing": lambda learning_rate, momentum: optax.chain(
        optax.add_decayed_weights(-5.0), optax.sgd(learning_rate)
    ),
    "clipped": lambda learning_rate, momentum: optax.chain(
        optax.clip_by_global_norm(1.0), optax.sgd(learning_rate)
    ),
    "ascent": lambda learning_rate, momentum: optax.chain(
        optax.sgd(learning_rate), optax.scale(-1.0)
    ),
    "rising": lambda learning_rate, momentum: optax.chain(
        optax.sgd(learning_rate),
        optax.scale_by_schedule(optax.exponential_decay(1.0, 10, 4.0)),
    ),
}
SLIPS = {
    "sign": jnp.negative,
    "factor": lambda slope: 8 * slope,
    "entry": lambda slope: slope * jnp.array([1.0, -1.0, 1.0]),
}


@functools.cache
def step_of(objective, name, slip=None):
    optimizer = optax.inject_hyperparams(MAKE[name])(learning_rate=1.0, momentum=0.0)
    method = gradients.autodiff
    if slip is not None:
        method = gradients.given(
            lambda params, batch: SLIPS[slip](jax.grad(objective)(params, batch, KEY))
        )
    return optimizer, make_train_step(objective, optimizer, gradient=method)


def explained(
    rate,
    objective=squares,
    name="sgd",
    *,
    slip=None,
    start=START,
    train=TRAIN,
    momentum=0.0,
    batch_size=None,
):
    """A run, and its explanation."""
    optimizer, step = step_of(objective, name, slip)
    state = init_state(KEY, start, optimizer)
    numbers = {"learning_rate": rate, "momentum": momentum}
    injected: Any = state.opt_state
    numbers = {
        name: jnp.full_like(old, numbers[name])
        for name, old in injected.hyperparams.items()
    }
    state = state._replace(opt_state=injected._replace(hyperparams=numbers))
    run = fit(step, state, train, epochs=EPOCHS, batch_size=batch_size)
    return run, explain_divergence(
        run,
        objective,
        step,
        state,
        train,
        learning_rate=rate,
        momentum=momentum,
        nesterov=name == "nesterov",
        batch_size=batch_size,
    )


def half(tree, dtype):
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)


FIRST = np.arange(16) == 0
BAD = TRAIN._replace(targets=jnp.float32(np.where(FIRST, np.nan, TARGETS)))
LONG_INPUTS = np.where(FIRST[:, None], 20 * INPUTS, INPUTS)
LONG = TRAIN._replace(inputs=jnp.float32(LONG_INPUTS))
LONGEST = float(np.linalg.eigvalsh(2 * LONG_INPUTS.T @ LONG_INPUTS / 16)[-1])
# The gradient of the mean squared error exceeds what float16 holds.
LARGE = half(Dataset(300 * TRAIN.inputs, 3000 * TRAIN.targets), jnp.float16)


CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("data", "not finite", {"rate": 0.1, "train": BAD}),
    ("start", "themselves", {"rate": 0.1, "start": START * jnp.nan}),
    ("gradient", "div of", {"rate": 0.1, "objective": root, "start": 0 * START}),
    (
        "precision",
        "float16",
        {"rate": 1e-6, "train": LARGE, "start": half(START, jnp.float16)},
    ),
    ("sign of the gradient", "-1 times", {"rate": 0.1, "slip": "sign"}),
    ("wrong gradient", "by 7 times", {"rate": 0.9 / LARGEST, "slip": "factor"}),
    ("wrong gradient", "the right one", {"rate": 0.1, "slip": "entry"}),
    ("uphill", "then the run learns", {"rate": 0.1, "name": "ascent"}),
    ("no minimum", "minus sign", {"rate": 1.0, "objective": concave}),
    ("weight decay", "takes 4.0", {"rate": 0.1, "name": "decayed"}),
    ("weight decay", "takes 2.25 times", {"rate": 0.45, "name": "penalised"}),
    ("weight decay", "wrong sign and adds 0.5", {"rate": 0.1, "name": "growing"}),
    ("schedule", "held where it starts", {"rate": 0.1, "name": "rising"}),
    (
        "minibatches",
        "all rows",
        {"rate": 1.5 / LONGEST, "train": LONG, "batch_size": 1},
    ),
    ("overflow", "exp of", {"rate": 5.0, "objective": exponential, "start": 0 * START}),
    (
        "outside the domain",
        "log of",
        {"rate": 9.0, "objective": logarithm, "start": jnp.abs(START)},
    ),
    ("learning rate", "times the largest", {"rate": 3.0 / LARGEST}),
]


@pytest.mark.parametrize("cause, part, settings", CASES)
@pytest.mark.slow
def test_names_the_cause(cause, part, settings):
    _, found = explained(**settings)
    assert found is not None
    assert found.cause == cause
    assert part in str(found)
    if found.tested is not None:
        run, again = explained(**settings | {"rate": found.suggestion})
        assert again is None
        assert run.history.loss[-1] < run.history.loss[0]


def test_every_cause_is_reached():
    named = {cause for cause, _, _ in CASES}
    # What test_explanation.py reaches, and what the tests below do.
    named |= {"curvature", "elsewhere", "cannot tell"}
    assert named == {cause.value for cause in DivergenceCause}


@pytest.mark.parametrize(
    "name, rate, momentum",
    [
        ("sgd", 40.0 / LARGEST, 0.9),
        ("nesterov", 40.0 / LARGEST, 0.9),
        ("adam", 3000.0, 0.0),
        ("rmsprop", 300.0, 0.0),
        ("adamw", 1e5, 0.0),
        ("clipped", 300.0, 0.0),
    ],
)
@pytest.mark.slow
def test_following_the_advice_ends_the_divergence(name, rate, momentum):
    _, found = explained(rate, name=name, momentum=momentum)
    assert found is not None
    assert found.cause == "learning rate"
    assert found.tested is not None
    run, again = explained(found.suggestion, name=name, momentum=momentum)
    assert again is None
    assert run.history.loss[-1] < run.history.loss[0]


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
@pytest.mark.slow
def test_a_rate_that_is_too_large_in_any_precision(dtype):
    data = half(TRAIN, dtype)
    _, found = explained(6.0 / LARGEST, train=data, start=half(START, dtype))
    assert found is not None
    assert found.cause == "learning rate"
    assert found.limit == pytest.approx(2 / LARGEST, rel=0.02)
    run, again = explained(found.suggestion, train=data, start=half(START, dtype))
    assert again is None
    assert run.history.loss[-1] < run.history.loss[0]


def test_the_limit_of_decayed_steps_holds_for_them():
    _, found = explained(0.45, name="penalised")
    assert found is not None
    assert found.limit == pytest.approx(2 / (LARGEST + 5), rel=1e-3)


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.5}, {"batch_size": 4}])
def test_a_healthy_run_needs_no_explanation(settings):
    assert explained(0.2 / LARGEST, **settings)[1] is None


def by_hand(objective, rate, move):
    """A train step that is no optimizer of optax."""

    def step(state, batch):
        loss, slope = jax.value_and_grad(objective, allow_int=True)(
            state.params, batch, KEY
        )
        params = move(state.params, slope, rate)
        return state._replace(params=params), StepInfo(loss, slope)

    return step


def descend(params, slope, rate):
    return jax.tree.map(
        lambda p, g: p - rate * g if jnp.issubdtype(p.dtype, jnp.floating) else p,
        params,
        slope,
    )


def of_columns(params, batch, key):
    del key
    fit = batch["x"][:, params["columns"]] @ params["w"]
    return jnp.mean((fit - batch["y"]) ** 2)


@pytest.mark.parametrize("columns", [None, [0, 2]])
@pytest.mark.slow
def test_steps_by_hand_dictionaries_and_integers(columns):
    params = {"w": jnp.ones(3 if columns is None else 2)}
    objective = of_columns
    if columns is None:
        objective = lambda p, b, k: of_columns(  # noqa: E731
            p | {"columns": jnp.arange(3)}, b, k
        )
    else:
        params["columns"] = jnp.array(columns)
    batch = {"x": TRAIN.inputs, "y": TRAIN.targets}
    used = INPUTS if columns is None else INPUTS[:, columns]
    largest = np.linalg.eigvalsh(2 * used.T @ used / 16)[-1]
    state = TrainState(params, (), KEY, jnp.int32(0))
    step = by_hand(objective, 6 / largest, descend)
    run = fit(step, state, batch, epochs=EPOCHS)
    found = explain_divergence(
        run, objective, step, state, batch, learning_rate=6 / largest
    )
    assert found is not None
    assert found.cause == "learning rate"
    assert found.limit == pytest.approx(2 / largest, rel=1e-3)
    assert jax.tree.structure(found.last_good_params) == jax.tree.structure(params)
    step = by_hand(objective, found.suggestion, descend)
    again = fit(step, state, batch, epochs=EPOCHS).history.loss
    assert again[-1] < again[0]


@pytest.mark.slow
def test_newtons_method_that_goes_too_far():
    def objective(params, batch, key):
        del key
        error = batch.inputs @ params - batch.targets
        return jnp.mean(jnp.sqrt(1 + error**2))

    def newton(params, slope, rate):
        hessian = jax.hessian(objective)(params, TRAIN, KEY)
        return params - rate * jnp.linalg.solve(hessian, slope)

    state = TrainState(4 * START, (), KEY, jnp.int32(0))
    step = by_hand(objective, 1.0, newton)
    run = fit(step, state, TRAIN, epochs=EPOCHS)
    found = explain_divergence(run, objective, step, state, TRAIN, learning_rate=1.0)
    assert found is not None
    assert found.cause in ("learning rate", "overflow")
    assert np.isnan(found.limit)
    assert found.tested is not None
    step = by_hand(objective, found.suggestion, newton)
    again = fit(step, state, TRAIN, epochs=EPOCHS).history.loss
    assert again[-1] < again[0]


def test_says_that_it_cannot_tell():
    def pushed(state, batch):
        # Whatever a step is scaled by, the counter carries the parameters away.
        count = state.step + 1
        away = state._replace(params=START + 1.5 ** (count * 1.0), step=count)
        slope = jax.grad(squares)(state.params, batch, KEY)
        return away, StepInfo(squares(state.params, batch, KEY), slope)

    state = TrainState(START, (), KEY, jnp.int32(0))
    run = fit(pushed, state, TRAIN, epochs=EPOCHS)
    found = explain_divergence(run, squares, pushed, state, TRAIN, learning_rate=0.1)
    assert found is not None
    assert found.cause == "cannot tell"
    assert found.tested is None
    assert "cannot be told" in str(found)


@pytest.mark.slow
def test_a_momentum_that_was_not_given_is_no_curvature_elsewhere():
    optimizer = optax.sgd(0.2 / LARGEST, 1.3)
    step = make_train_step(squares, optimizer)
    state = init_state(KEY, START, optimizer)
    run = fit(step, state, TRAIN, epochs=EPOCHS)
    found = explain_divergence(
        run, squares, step, state, TRAIN, learning_rate=0.2 / LARGEST
    )
    assert found is not None
    # A quadratic bends everywhere alike.
    assert found.cause != "elsewhere"


@pytest.mark.parametrize("rate, advice", [(0.1, "then"), (6.0 / LARGEST, "at a rate")])
@pytest.mark.slow
def test_what_a_mask_leaves_out_goes_uphill(rate, advice):
    def objective(params, batch, key):
        return squares(params["w"], batch, key) + 0.4 * params["b"] ** 2

    optimizer = optax.masked(optax.sgd(rate), {"w": True, "b": False})
    step = make_train_step(objective, optimizer)
    state = init_state(KEY, {"w": START, "b": jnp.ones(())}, optimizer)
    run = fit(step, state, TRAIN, epochs=EPOCHS)
    found = explain_divergence(run, objective, step, state, TRAIN, learning_rate=rate)
    assert found is not None
    assert found.cause == "uphill"
    assert "in 1 of 2 arrays" in str(found)
    assert advice in str(found)
    assert found.tested is None
