"""Linen modules train as in a loop by hand."""

from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import errors

import funclearn as fl
from tests.models.settings import (
    DATA,
    KEY,
    ROWS,
    SGD,
    WithDeterministic,
    WithRunningAverage,
    WithTrain,
    batches,
    close,
    trained,
)

MODES = {
    "train": (WithTrain, True),
    "deterministic": (WithDeterministic, False),
    "use_running_average": (WithRunningAverage, False),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.slow
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


class Fixed(nn.Module):
    """A module whose own attribute says whether it trains."""

    train: bool = True

    @nn.compact
    def __call__(self, x):
        norm = nn.BatchNorm(use_running_average=not self.train, momentum=0.5)
        return nn.Dropout(0.5, deterministic=not self.train)(norm(x))


@pytest.mark.parametrize(
    "module",
    [Fixed(), nn.BatchNorm(use_running_average=False, momentum=0.5)],
    ids=["of its own", "of flax"],
)
@pytest.mark.slow
def test_an_attribute_that_says_train_does_not_hold_for_predictions(module):
    model = fl.models.from_linen(module, ROWS[:1])
    params: Any = model.init(KEY)
    train: Any = model.train
    _, notes = train(params, ROWS, KEY)
    stats = notes["batch_stats"]
    stats = stats.get("BatchNorm_0", stats)
    np.testing.assert_allclose(stats["mean"], np.mean(ROWS, 0) / 2, rtol=1e-5)
    expected = (ROWS - stats["mean"][None]) / jnp.sqrt(stats["var"] + 1e-5)[None]
    predictions = model.apply(params._replace(notes=notes), ROWS)
    np.testing.assert_allclose(predictions, expected, rtol=1e-5)


def test_an_attribute_that_says_predict_holds_while_it_trains():
    model = fl.models.from_linen(Fixed(train=False), ROWS[:1])
    params, train = model.init(KEY), cast(Any, model.train)
    predictions, notes = train(params, ROWS, KEY)
    close(predictions, model.apply(params, ROWS))
    close(notes, cast(Any, params).notes)


HIDDEN = {
    "batch norm": nn.BatchNorm(use_running_average=False, parent=None),
    "dropout": nn.Dropout(0.5, deterministic=False, parent=None),
}


@pytest.mark.parametrize("layer", HIDDEN.values(), ids=HIDDEN)
def test_a_layer_that_always_trains_is_refused_by_predictions(layer):
    model = fl.models.from_linen(nn.Sequential([layer]), ROWS[:1])
    params = model.init(KEY)
    cast(Any, model.train)(params, ROWS, KEY)
    with pytest.raises(ValueError, match="module must predict without drawing"):
        model.apply(params, ROWS)


class Block(nn.Module):
    """A block that has a mode, with a loss of its own."""

    @nn.compact
    def __call__(self, x, train=False):
        self.sow("losses", "square", jnp.mean(x**2))
        x = nn.BatchNorm(use_running_average=not train, momentum=0.5)(x)
        return nn.Dropout(0.5, deterministic=not train)(x)


class ByHand(nn.Module):
    """`nn.Sequential([Block(), nn.Dense(1)])` that hands the mode on."""

    def setup(self):
        self.layers = [Block(), nn.Dense(1)]

    def __call__(self, x, train):
        return self.layers[1](self.layers[0](x, train))


def test_layers_inside_draw_and_note_where_the_module_has_no_mode():
    module = nn.Sequential([Block(), nn.Dense(1)])
    model, by_hand = fl.models.from_linen(module, ROWS[:1]), ByHand()
    params: Any = model.init(KEY)
    variables = {"params": params.params, **params.notes}
    assert list(params.notes) == ["batch_stats"]  # the losses are dropped
    out, notes = cast(Any, model.train)(params, ROWS, KEY)
    expected, new = by_hand.apply(
        variables, ROWS, True, mutable=["batch_stats"], rngs={"dropout": KEY}
    )
    close((out, notes), (expected, dict(new)))
    close(model.apply(params, ROWS), by_hand.apply(variables, ROWS, False))
    assert jax.tree.structure(notes) == jax.tree.structure(params.notes)


class AsksForStreams(nn.Module):
    """Adds noise of two streams, of the second if it has the first."""

    @nn.compact
    def __call__(self, x):
        if self.has_rng("some"):
            x = x + jax.random.normal(self.make_rng("some"), x.shape)
            if self.has_rng("more"):
                x = x + jax.random.normal(self.make_rng("more"), x.shape)
        return x


def test_streams_that_a_module_asks_for_are_there_while_it_trains():
    module = AsksForStreams()
    model = fl.models.from_linen(module, ROWS[:1])
    keys = {"more": jax.random.fold_in(KEY, 1), "some": jax.random.fold_in(KEY, 2)}
    out, _ = cast(Any, model.train)(model.init(KEY), ROWS, KEY)
    close(out, module.apply({}, ROWS, rngs=keys))
    close(model.apply({}, ROWS), ROWS)


def test_a_module_that_goes_on_without_its_stream_draws_while_it_trains():
    class Tries(nn.Module):
        def __call__(self, x):
            try:
                return x + jax.random.normal(self.make_rng("noise"), x.shape)
            except errors.InvalidRngError:
                return x

    model = fl.models.from_linen(Tries(), ROWS[:1])
    keys = {"params": jax.random.fold_in(KEY, 1)}
    out, _ = cast(Any, model.train)({}, ROWS, KEY)
    close(out, cast(Any, Tries()).apply({}, ROWS, rngs=keys))
    assert fl.models.from_linen(nn.Sequential([nn.tanh]), ROWS[:1]).train is None


class NormsLate(nn.Module):
    """Has one layer only while it trains, and one only when it predicts."""

    @nn.compact
    def __call__(self, x, train=False):
        if train:
            return nn.BatchNorm(use_running_average=False, momentum=0.5)(x)
        return nn.Dense(3)(x)


def test_variables_of_one_mode_are_initialised_in_it():
    module = NormsLate()
    model = fl.models.from_linen(module, ROWS[:1])
    params: Any = model.init(KEY)
    on, off = (module.init(KEY, ROWS[:1], train=train) for train in (True, False))
    close(params.params, {**on["params"], **off["params"]})
    close(params.notes, {"batch_stats": on["batch_stats"]})
    out, notes = cast(Any, model.train)(params, ROWS, KEY)
    close((out, notes), module.apply(on, ROWS, train=True, mutable=["batch_stats"]))
    close(model.apply(params, ROWS), module.apply(off, ROWS))


def test_a_module_of_two_inputs_is_refused():
    class Two(nn.Module):
        def __call__(self, one, other, *, train):
            return one

    with pytest.raises(TypeError, match="one pytree of inputs"):
        fl.models.from_linen(Two(), (ROWS, ROWS))
