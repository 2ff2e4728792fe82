"""Modules of flax are models: they train, and keep their parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

import funclearn as fl

KEY = jax.random.key(0)


FLAX = {
    "linen": fl.models.from_linen(linen.Dense(2), jnp.zeros((1, 3))),
    "nnx": fl.models.from_nnx(lambda rngs: nnx.Linear(3, 2, rngs=rngs)),
}


class WithState(linen.Module):
    @linen.compact
    def __call__(self, inputs):
        return linen.BatchNorm(use_running_average=False)(inputs)


def batch_norm(rngs):
    return nnx.Sequential(nnx.Linear(1, 1, rngs=rngs), nnx.BatchNorm(1, rngs=rngs))


REFUSALS = {
    "linen": (
        lambda: fl.models.from_linen(WithState(), jnp.zeros((1, 1))).init(KEY),
        r"'params' alone; WithState keeps \['batch_stats', 'params'\]",
    ),
    "nnx": (lambda: fl.models.from_nnx(batch_norm), r"nnx\.Param; it keeps .*\.mean"),
    "nnx dropout": (
        lambda: fl.models.from_nnx(lambda rngs: nnx.Dropout(0.5, rngs=rngs)),
        r"nnx\.Param; it keeps rngs",
    ),
}


@pytest.mark.parametrize("call, message", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.usefixtures("plain_annotations")
def test_refusals_name_the_argument(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def least_squares(inputs, targets):
    columns = np.column_stack([inputs, np.ones(len(inputs))]).astype(np.float64)
    return np.linalg.lstsq(columns, targets, rcond=None)[0]


@pytest.mark.parametrize("model", FLAX.values(), ids=FLAX)
def test_a_trained_flax_module_finds_the_least_squares_solution(model):
    rng = np.random.default_rng(1)
    train = fl.Dataset(*(jnp.asarray(rng.normal(size=(20, c))) for c in (3, 2)))
    optimizer = optax.sgd(0.3, momentum=0.5)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(KEY, model.init(KEY), optimizer)
    params = fl.fit(step, state, train, epochs=200).state.params
    assert jax.tree.structure(params) == jax.tree.structure(model.init(KEY))
    solution = least_squares(*map(np.asarray, train))
    offset = model.apply(params, jnp.zeros((3, 3)))
    found = jnp.vstack([model.apply(params, jnp.eye(3)) - offset, offset[:1]])
    np.testing.assert_allclose(found, solution, atol=1e-5)


def test_a_finished_nnx_module_keeps_its_parameters():
    module = nnx.Linear(2, 1, rngs=nnx.Rngs(7))
    before = np.array(module.kernel.get_value())
    model = fl.models.from_nnx(module)
    params = model.init(KEY)
    assert jnp.array_equal(params["kernel"].get_value(), before)
    moved = jax.tree.map(lambda leaf: leaf + 1, params)
    inputs = jnp.ones((3, 2))
    np.testing.assert_allclose(
        model.apply(moved, inputs), module(inputs) + 3, rtol=1e-6
    )
    assert jnp.array_equal(module.kernel.get_value(), before)
