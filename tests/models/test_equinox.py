"""Modules of equinox are models: they train as in a loop by hand."""

import functools
from typing import Any, cast

import equinox
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.models import Noted

KEY = jax.random.key(0)
ROWS = np.random.default_rng(1).normal(size=(12, 3)).astype(np.float32)
INPUTS = jnp.asarray(ROWS)
DATA = fl.Dataset(INPUTS, jnp.asarray(np.sin(ROWS).sum(axis=1, keepdims=True)))
SGD = optax.sgd(0.05, momentum=0.5)
EPOCHS = 4


class Drops(equinox.Module):
    first: equinox.nn.Linear
    drop: equinox.nn.Dropout
    last: equinox.nn.Linear

    def __init__(self, key):
        one, other = jax.random.split(key)
        self.first = equinox.nn.Linear(3, 4, key=one)
        self.drop = equinox.nn.Dropout(0.3)
        self.last = equinox.nn.Linear(4, 1, key=other)

    def __call__(self, row, *, key=None):
        return self.last(self.drop(jnp.tanh(self.first(row)), key=key))


class Notes(equinox.Module):
    first: equinox.nn.Linear
    norm: equinox.nn.BatchNorm
    columns: jax.Array

    def __init__(self, key):
        self.first = equinox.nn.Linear(3, 2, use_bias=False, key=key)
        self.norm = equinox.nn.BatchNorm(2, axis_name="batch", momentum=0.5, mode="ema")
        self.columns = jnp.array([0, 1])

    def __call__(self, row, state):
        normed, state = self.norm(self.first(row), state)
        return normed[self.columns].sum(keepdims=True), state


@functools.cache
def step_of(model):
    return fl.make_train_step(fl.make_objective(model, fl.losses.mse), SGD)


def run(model, epochs=EPOCHS, state=None):
    step = step_of(model)
    state = fl.init_state(KEY, model.init(KEY), SGD) if state is None else state
    return fl.fit(step, state, DATA, epochs=epochs).state


def close(one, other):
    for leaf, wanted in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        np.testing.assert_allclose(leaf, wanted, rtol=1e-4, atol=1e-6)


def by_hand(module, loss):
    """Loops as equinox's documentation does: `loss(params, rest, key)`."""
    params, rest = equinox.partition(module, equinox.is_inexact_array)
    opt_state = SGD.init(params)
    for step in range(EPOCHS):
        key = jax.random.fold_in(jax.random.fold_in(KEY, 0), step)
        grads, rest = jax.grad(loss, has_aux=True)(params, rest, key)
        updates, opt_state = SGD.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
    return params, rest


def mean_square(predictions):
    return jnp.mean((predictions - DATA.targets) ** 2)


@pytest.mark.slow
def test_a_module_without_dropout_is_a_pair():
    module = equinox.nn.MLP(3, 1, 4, 1, key=KEY)
    model = fl.models.from_equinox(module)
    assert model.train is None

    def loss(params, rest, key):
        return mean_square(jax.vmap(equinox.combine(params, rest))(INPUTS)), rest

    params, rest = by_hand(module, loss)
    state = run(model)
    close(state.params, params)
    close(
        model.apply(state.params, INPUTS),
        jax.vmap(equinox.combine(params, rest))(INPUTS),
    )


@pytest.mark.parametrize("made", [False, True], ids=["a function", "a module"])
@pytest.mark.slow
def test_dropout_has_a_key_for_every_row(made):
    model = fl.models.from_equinox(Drops(KEY) if made else Drops)

    def loss(params, rest, key):
        module = equinox.combine(params, rest)
        keys = jax.random.split(key, len(INPUTS))
        rows = jax.vmap(lambda row, key: module(row, key=key))(INPUTS, keys)
        return mean_square(rows), rest

    params, rest = by_hand(Drops(KEY), loss)
    state = run(model)
    close(state.params, params)
    predicts = equinox.nn.inference_mode(equinox.combine(params, rest))
    close(model.apply(state.params, INPUTS), jax.vmap(predicts)(INPUTS))
    half = run(model, epochs=EPOCHS // 2)
    close(run(model, EPOCHS - EPOCHS // 2, half).params, state.params)


@pytest.mark.slow
def test_batch_norm_takes_its_notes_along():
    def build(key):
        return equinox.nn.make_with_state(Notes)(key)

    model = fl.models.from_equinox(build)
    module, state = build(KEY)

    def loss(params, rest, key):
        static, state = rest
        mapped = jax.vmap(
            equinox.combine(params, static),
            axis_name="batch",
            in_axes=(0, None),
            out_axes=(0, None),
        )
        rows, state = mapped(INPUTS, state)
        return mean_square(rows), (static, state)

    params, static = equinox.partition(module, equinox.is_inexact_array)
    opt_state, rest = SGD.init(params), (static, state)
    for _ in range(EPOCHS):
        grads, rest = jax.grad(loss, has_aux=True)(params, rest, KEY)
        updates, opt_state = SGD.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
    found = run(model).params
    assert isinstance(found, Noted)
    close(found.params, params)
    close(found.notes[1], rest[1])
    predicts = equinox.nn.inference_mode(equinox.combine(params, static))
    rows, _ = jax.vmap(
        predicts, axis_name="batch", in_axes=(0, None), out_axes=(0, None)
    )(INPUTS, rest[1])
    close(model.apply(found, INPUTS), rows)
    one = jax.tree.leaves(run(model, 2, run(model, 2)))
    for leaf, other in zip(one[:6], jax.tree.leaves(run(model))[:6], strict=True):
        np.testing.assert_array_equal(leaf, other)


def test_a_finished_module_keeps_its_arrays():
    module = Drops(jax.random.key(7))
    params = fl.models.from_equinox(module).init(KEY)
    close(params, equinox.filter(module, equinox.is_inexact_array))


@pytest.mark.usefixtures("plain_annotations")
@pytest.mark.parametrize(
    ("module", "message"),
    [
        (3, "module must be an equinox.Module, .* got 3"),
        (lambda key: 3, "an equinox.Module, or a pair .* got int"),
    ],
)
def test_what_is_no_module_is_refused(module, message):
    with pytest.raises(TypeError, match=message):
        fl.models.from_equinox(module)


def test_a_key_is_needed_where_rows_are_drawn(plain_annotations):
    objective = fl.make_objective(fl.models.from_equinox(Drops), fl.losses.mse)
    with pytest.raises(TypeError, match="key must be a typed key"):
        objective(Drops(KEY), DATA, cast(Any, None))


class Adds(equinox.Module):
    """Adds noise if it is given a key."""

    scale: jax.Array

    def __call__(self, row, *, key=None):
        noise = 0 if key is None else jax.random.normal(key, row.shape)
        return self.scale * (row + noise)


DROPS: Any = Drops  # its call has other parameters below
ADDS: Any = Adds


class Argued(DROPS):
    """As `Drops`, with an argument for its mode."""

    def __call__(self, row, key=None, inference=True):
        return self.last(self.drop(self.first(row), key=key, inference=inference))


class Trains(DROPS):
    def __call__(self, row, *, train, key):
        one, _ = jax.random.split(key)
        return self.last(self.drop(self.first(row), key=one, inference=not train))


DRAWING: dict[str, tuple[Any, Any]] = {
    "a key by default None": (
        lambda: Adds(jnp.ones(3)),
        lambda module, row, key: module.scale * (row + jax.random.normal(key, (3,))),
    ),
    "inside of equinox's own": (
        lambda: equinox.nn.Sequential([Adds(jnp.ones(3))]),
        lambda module, row, key: module(row, key=key),
    ),
    "inference by default": (
        lambda: Argued(KEY),
        lambda module, row, key: module(row, key, False),
    ),
    "train and key needed": (
        lambda: Trains(KEY),
        lambda module, row, key: module(row, train=True, key=key),
    ),
}
PREDICTING: dict[str, Any] = {
    "train and key needed": lambda module, row: module(row, train=False, key=KEY)
}


@pytest.mark.parametrize("name", DRAWING)
def test_a_module_that_may_draw_draws_while_it_trains(name):
    make, on = DRAWING[name]
    module, keys = make(), jax.random.split(KEY, len(INPUTS))
    off = PREDICTING.get(name, lambda module, row: module(row))
    model = fl.models.from_equinox(module)
    params = model.init(KEY)
    out, notes = cast(Any, model.train)(params, INPUTS, KEY)
    close(out, jax.vmap(lambda row, key: on(module, row, key))(INPUTS, keys))
    assert notes is None
    close(model.apply(params, INPUTS), jax.vmap(lambda row: off(module, row))(INPUTS))


def test_a_module_that_always_draws_is_refused_by_predictions():
    class Always(ADDS):
        def __call__(self, row, *, key):
            return self.scale * (row + jax.random.normal(key, row.shape))

    model = fl.models.from_equinox(Always(jnp.ones(3)))
    params = model.init(KEY)
    cast(Any, model.train)(params, INPUTS, KEY)
    with pytest.raises(ValueError, match="must predict without drawing; Always does"):
        model.apply(params, INPUTS)


def test_a_module_of_two_inputs_is_refused():
    class Two(equinox.Module):
        def __call__(self, one, other, key=None):
            return one

    with pytest.raises(TypeError, match="one pytree of inputs"):
        fl.models.from_equinox(Two())
