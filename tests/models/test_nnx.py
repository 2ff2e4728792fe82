"""Nnx modules train as in a loop by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import funclearn as fl
from tests.models.settings import (
    DATA,
    KEY,
    ROWS,
    SGD,
    NnxNoting,
    batches,
    close,
    train_of,
    trained,
)

OTHER = jax.random.key(1)


@pytest.mark.slow
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


NOTING: Any = NnxNoting  # its call has no mode


class Moded(NOTING):
    """As `NnxNoting`, with an argument for its mode."""

    def __call__(self, inputs, *, train):
        hidden = self.norm(self.first(inputs), use_running_average=not train)
        return self.last(self.drop(hidden, deterministic=not train))


BUILDS = {
    "outermost": lambda rngs: Moded(rngs),
    "inside": lambda rngs: nnx.Sequential(Moded(rngs), nnx.Linear(1, 1, rngs=rngs)),
}


@pytest.mark.parametrize("name", BUILDS)
def test_arguments_for_the_mode_are_set(name):
    model = fl.models.from_nnx(BUILDS[name])
    module = BUILDS[name](nnx.Rngs(KEY))
    first, *rest = module.layers if name == "inside" else [module]
    params: Any = model.init(KEY)
    out, notes = train_of(model)(params, ROWS, KEY)
    again = model.apply(params, ROWS)

    def by_hand(train):
        hidden = first(ROWS, train=train)
        return rest[0](hidden) if rest else hidden

    close(again, by_hand(False))
    # The leaves of the only stream's state are its counter and its key.
    first.drop.rngs.count.set_value(jnp.zeros((), jnp.uint32))
    first.drop.rngs.key.set_value(jax.random.fold_in(KEY, 1))
    close(out, by_hand(True))
    stats = jax.tree.leaves(nnx.state(module, nnx.BatchStat))
    close(jax.tree.leaves(notes), stats)
    assert jax.tree.structure(notes) == jax.tree.structure(params.notes)


class Noise(nnx.Module):
    def __init__(self, rngs):
        self.rngs = rngs.fork()

    def __call__(self, inputs):
        return inputs + self.rngs.noise.normal(inputs.shape)


class NeedsRngs(nnx.Module):
    def __call__(self, inputs, *, rngs):
        return inputs + rngs.normal(inputs.shape)


@pytest.mark.parametrize("module", [Noise(nnx.Rngs(noise=0)), NeedsRngs()])
def test_a_module_that_always_draws_is_refused_by_predictions(module):
    model = fl.models.from_nnx(module)
    params = model.init(KEY)
    one, other = (train_of(model)(params, ROWS, key)[0] for key in (KEY, OTHER))
    assert not np.allclose(one, other)
    for apply in (model.apply, jax.jit(model.apply)):
        with pytest.raises(ValueError, match="module must predict without drawing"):
            apply(params, ROWS)


class Loops(nnx.Module):
    """Dropout in a loop, which returns new counters whether it draws or not."""

    def __init__(self, rngs):
        split = rngs.split(2)
        self.layers = nnx.vmap(lambda rngs: nnx.Dropout(0.5, rngs=rngs))(split)

    def __call__(self, inputs):
        carry = nnx.scan(
            lambda layer, carry: layer(carry),
            in_axes=(0, nnx.Carry),
            out_axes=nnx.Carry,
        )
        return carry(self.layers, inputs)


def test_streams_that_go_through_a_loop_need_not_be_drawn_from():
    model = fl.models.from_nnx(lambda rngs: Loops(nnx.Rngs(dropout=rngs.params())))
    params = model.init(KEY)
    close(model.apply(params, ROWS), ROWS)
    close(jax.jit(model.apply)(params, ROWS), ROWS)
    out, _ = train_of(model)(params, ROWS, KEY)
    assert {0.0} < set(np.round(np.ravel(out / ROWS)).tolist()) <= {0.0, 4.0}


def test_what_is_drawn_may_be_left_unused():
    class Idle(Noise):
        def __call__(self, inputs):
            self.rngs.noise()
            return inputs

    model = fl.models.from_nnx(Idle(nnx.Rngs(noise=0)))
    close(model.apply(model.init(KEY), ROWS), ROWS)


def test_optional_rngs_are_given_while_it_trains():
    class Optional(nnx.Module):
        def __call__(self, inputs, rngs=None):
            return inputs if rngs is None else inputs + rngs.normal(inputs.shape)

    model = fl.models.from_nnx(nnx.Sequential(Optional()))
    params = model.init(KEY)
    noise = nnx.Rngs(jax.random.fold_in(KEY, 0)).normal(ROWS.shape)
    close(train_of(model)(params, ROWS, KEY)[0], ROWS + noise)
    close(model.apply(params, ROWS), ROWS)
    pure = nnx.Sequential(nnx.Linear(3, 1, rngs=nnx.Rngs(0)))
    assert fl.models.from_nnx(pure).train is None


@pytest.mark.filterwarnings("ignore:Using 'Module.sow:DeprecationWarning")
def test_what_it_sows_is_dropped():
    class Sows(NnxNoting):
        def __call__(self, inputs):
            self.sow(nnx.Intermediate, "inputs", inputs)
            return super().__call__(inputs)

    model = fl.models.from_nnx(Sows)
    params: Any = model.init(KEY)
    _, notes = train_of(model)(params, ROWS, KEY)
    assert jax.tree.structure(notes) == jax.tree.structure(params.notes)
    plain = train_of(fl.models.from_nnx(NnxNoting))(params, ROWS, KEY)[1]
    close(jax.tree.leaves(notes), jax.tree.leaves(plain))


def test_a_module_of_two_inputs_is_refused():
    class Two(nnx.Module):
        def __call__(self, one, other):
            return one

    with pytest.raises(TypeError, match="one pytree of inputs"):
        fl.models.from_nnx(Two())
