"""Modules of flax are models: they train, and keep their parameters."""

from typing import Any, cast

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


ROWS = jax.random.normal(jax.random.key(1), (12, 3))
DATA = fl.Dataset(ROWS, jnp.sin(ROWS).sum(axis=1, keepdims=True))
SGD = optax.sgd(0.05, momentum=0.5)
EPOCHS, BATCH = 4, 5


class Noting(linen.Module):
    """Draws and takes notes while it trains."""

    @linen.compact
    def forward(self, inputs, trains):
        # A bias would be taken off again by the norm, and hold roundings alone.
        hidden = linen.Dense(4, use_bias=False)(inputs)
        hidden = linen.BatchNorm(use_running_average=not trains, momentum=0.5)(hidden)
        hidden = linen.Dropout(0.3, deterministic=not trains)(linen.tanh(hidden))
        return linen.Dense(1)(hidden)


class WithTrain(Noting):
    def __call__(self, inputs, train=False):
        return self.forward(inputs, train)


class WithDeterministic(Noting):
    def __call__(self, inputs, *, deterministic=True):
        return self.forward(inputs, not deterministic)


class WithRunningAverage(Noting):
    def __call__(self, inputs, use_running_average):
        return self.forward(inputs, not use_running_average)


MODES = {
    "train": (WithTrain, True),
    "deterministic": (WithDeterministic, False),
    "use_running_average": (WithRunningAverage, False),
}


def train_of(model) -> Any:
    assert model.train is not None
    return model.train


def batches():
    """Epoch by epoch the rows of every batch, as documented, and the step's key."""
    step = 0
    for epoch in range(EPOCHS):
        order = jax.random.fold_in(jax.random.fold_in(KEY, 1), epoch)
        rows = jax.random.permutation(order, len(ROWS))
        for start in range(0, len(ROWS), BATCH):
            key = jax.random.fold_in(jax.random.fold_in(KEY, 0), step)
            yield rows[start : start + BATCH], key
            step += 1


def trained(model, params=None, epochs=EPOCHS, **how):
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), SGD, **how)
    if params is None:
        state = fl.init_state(KEY, model.init(KEY), SGD)
    else:
        state = params
    return fl.fit(step, state, DATA, epochs=epochs, batch_size=BATCH).state


def close(tree, other, rtol=1e-5):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6), tree, other
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_linen_module_trains_as_in_a_loop_by_hand(mode):
    kind, on = MODES[mode]
    module: Any = kind()
    model = fl.models.from_linen(module, ROWS[:1])
    state = trained(model)
    variables = dict(module.init(KEY, ROWS[:1], **{mode: not on}))
    params, notes = variables["params"], variables["batch_stats"]
    opt_state = SGD.init(params)
    for rows, key in batches():

        def loss(params, notes=notes, rows=rows, key=key):
            predictions, new = module.apply(
                {"params": params, "batch_stats": notes},
                DATA.inputs[rows],
                mutable=["batch_stats"],
                rngs={"dropout": key},
                **{mode: on},
            )
            return jnp.mean((predictions - DATA.targets[rows]) ** 2), new

        grads, new = jax.grad(loss, has_aux=True)(params)
        updates, opt_state = SGD.update(grads, opt_state, params)
        params, notes = optax.apply_updates(params, updates), new["batch_stats"]
    assert isinstance(state.params, fl.models.Noted)
    close(state.params, fl.models.Noted(params, {"batch_stats": notes}))
    close(state.opt_state, opt_state)
    predictions = module.apply(
        {"params": params, "batch_stats": notes}, ROWS, **{mode: not on}
    )
    close(model.apply(state.params, ROWS), predictions)


class NnxNoting(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(3, 4, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(4, momentum=0.5, rngs=rngs)
        self.drop = nnx.Dropout(0.3, rngs=rngs)
        self.last = nnx.Linear(4, 1, rngs=rngs)

    def __call__(self, inputs):
        return self.last(self.drop(nnx.tanh(self.norm(self.first(inputs)))))


def test_an_nnx_module_without_dropout_trains_as_in_a_loop_by_hand():
    def build(rngs):
        made = NnxNoting(rngs)
        made.drop = nnx.Dropout(0.0, rngs=rngs)
        return made

    state = trained(fl.models.from_nnx(build))
    module = build(nnx.Rngs(KEY))
    module.train()
    optimizer = nnx.Optimizer(module, SGD, wrt=nnx.Param)
    for rows, _ in batches():
        inputs, targets = DATA.inputs[rows], DATA.targets[rows]
        grads = nnx.grad(
            lambda module, inputs=inputs, targets=targets: jnp.mean(
                (module(inputs) - targets) ** 2
            )
        )(module)
        optimizer.update(module, grads)
    assert isinstance(state.params, fl.models.Noted)
    close(
        jax.tree.leaves(state.params.params),
        jax.tree.leaves(nnx.state(module, nnx.Param)),
    )
    notes = jax.tree.leaves(nnx.state(module, nnx.BatchStat))
    close(jax.tree.leaves(state.params.notes), notes)


NOTING = {
    "linen": fl.models.from_linen(WithTrain(), ROWS[:1]),
    "nnx": fl.models.from_nnx(NnxNoting),
}


@pytest.mark.parametrize("model", NOTING.values(), ids=NOTING)
def test_a_run_that_draws_and_notes_goes_on_to_the_same_bits(model):
    whole, half = trained(model), trained(model, epochs=EPOCHS // 2)
    rest = trained(model, half, epochs=EPOCHS - EPOCHS // 2)
    for one, other in zip(
        jax.tree.leaves(whole[:2]), jax.tree.leaves(rest[:2]), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("model", NOTING.values(), ids=NOTING)
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
    alone = jax.tree.map(lambda *lanes: jnp.stack(lanes), *map(run, rates))
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
