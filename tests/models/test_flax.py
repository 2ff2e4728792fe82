"""Modules of flax are models: they train, and keep their parameters."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

import funclearn as fl
from tests.models.settings import (
    BATCH,
    DATA,
    EPOCHS,
    KEY,
    ROWS,
    NnxNoting,
    WithTrain,
    close,
    train_of,
    trained,
)

FLAX = {
    "linen": fl.models.from_linen(linen.Dense(2), jnp.zeros((1, 3))),
    "nnx": fl.models.from_nnx(lambda rngs: nnx.Linear(3, 2, rngs=rngs)),
}


REFUSALS = {
    "linen": (
        lambda: fl.models.from_linen(nnx.Linear(1, 1, rngs=nnx.Rngs(0)), jnp.ones(1)),
        "module must be a flax.linen.Module; got Linear",
    ),
    "nnx": (
        lambda: fl.models.from_nnx(3),
        "module must be a flax.nnx.Module, or a function .* got 3",
    ),
    "nnx makes something else": (
        lambda: fl.models.from_nnx(lambda rngs: linen.Dense(1)),
        r"module\(rngs\) must be a flax.nnx.Module; got Dense",
    ),
}


@pytest.mark.parametrize("call, message", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.usefixtures("plain_annotations")
def test_refusals_name_the_argument(call, message):
    with pytest.raises(TypeError, match=message):
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


NOTING = {
    "linen": fl.models.from_linen(WithTrain(), ROWS[:1]),
    "nnx": fl.models.from_nnx(NnxNoting),
}


@pytest.mark.parametrize("model", NOTING.values(), ids=NOTING)
@pytest.mark.slow
def test_a_run_that_draws_and_notes_goes_on_to_the_same_bits(model):
    whole, half = trained(model), trained(model, epochs=EPOCHS // 2)
    rest = trained(model, half, epochs=EPOCHS - EPOCHS // 2)
    for one, other in zip(
        jax.tree.leaves(whole[:2]), jax.tree.leaves(rest[:2]), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("model", NOTING.values(), ids=NOTING)
@pytest.mark.slow
def test_a_step_draws_once_and_another_step_draws_anew(model):
    params, train = model.init(KEY), train_of(model)
    first, second = (jax.random.fold_in(KEY, step) for step in (0, 1))
    one, again, other = (train(params, ROWS, key)[0] for key in (first, first, second))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)
    compiled = jax.jit(lambda key: train(params, ROWS, key)[0])(first)
    np.testing.assert_allclose(compiled, one, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(*(model.apply(params, ROWS) for _ in range(2)))


@pytest.mark.parametrize("model", NOTING.values(), ids=NOTING)
@pytest.mark.slow
def test_runs_that_draw_and_note_are_mapped(model):
    objective = fl.make_objective(model, fl.losses.mse)
    evaluate = fl.make_evaluation(model, fl.losses.mse)

    def run(rate):
        optimizer = optax.sgd(rate)
        state = fl.init_state(KEY, model.init(KEY), optimizer)
        step = fl.make_train_step(objective, optimizer)
        stop = fl.stopping.patience(9) | fl.stopping.gradient_norm(1e-9)
        ran = fl.fit(
            step,
            state,
            DATA,
            DATA,
            epochs=3,
            batch_size=BATCH,
            evaluate=evaluate,
            stop=stop,
        )
        assert ran.best is not None
        return ran.history, ran.best.params

    rates = jnp.array([0.01, 0.1])
    alone = jax.tree.map(lambda *lanes: jnp.stack(lanes), *map(jax.jit(run), rates))
    close(jax.vmap(run)(rates), alone, rtol=1e-3)


def test_modules_that_neither_draw_nor_note_are_pairs():
    for model in FLAX.values():
        assert model.train is None
    always = fl.models.from_linen(linen.Dropout(0.5, deterministic=False), ROWS[:1])
    assert always.train is not None
    drops, _ = train_of(always)({}, ROWS, KEY)
    assert 0 < np.mean(np.asarray(drops) == 0) < 1


def test_a_key_is_needed_where_something_is_drawn(plain_annotations):
    for model in NOTING.values():
        objective = fl.make_objective(model, fl.losses.mse)
        with pytest.raises(TypeError, match="key must be a typed key"):
            objective(model.init(KEY), DATA, cast(Any, None))


def test_two_dropouts_of_one_module_draw_different_masks():
    model = fl.models.from_nnx(
        lambda rngs: nnx.Sequential(
            nnx.Dropout(0.5, rngs=rngs), nnx.Dropout(0.5, rngs=nnx.Rngs(7))
        )
    )
    ones = jnp.ones((200, 3))
    kept = train_of(model)(model.init(KEY), ones, KEY)[0] != 0
    assert abs(float(jnp.mean(kept)) - 0.25) < 0.1  # 0.5 if both were the same
