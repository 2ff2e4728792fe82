"""Flax modules as models.

A module is asked twice what it does, while it trains and when it predicts, by the
arguments and attributes that flax has for that. Where that is the same pure function of
its parameters, the model is a pair; else it has a `train` of its own.
"""

import functools
import inspect
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from funclearn._checks import check_key
from funclearn._jaxprs import is_key
from funclearn._notes import Noted
from funclearn._types import Params
from funclearn.models._model import Model

__all__ = ["from_linen", "from_nnx"]

# Parameters of a linen module's call, and what they are while it trains.
_MODES = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
}


def from_linen(module: Any, example_inputs: PyTree) -> Model:
    """Makes a model of a flax linen module.

    If its call has a parameter `train`, `training`, `is_training`, `deterministic` or
    `use_running_average`, that is set, while it trains and when it predicts. While it
    trains its stream `"dropout"` starts from the key that `train` is given, and every
    other one from `jax.random.fold_in(key, 1)`.

    Args:
        module: any `flax.linen.Module` that takes the inputs alone, but for these.
        example_inputs: inputs of the right shape and dtype, to initialise with.

    Returns:
        A model whose parameters are the module's `params` collection, in a `Noted` pair
        with its other collections where it has any. Values that it sows are dropped.

    Raises:
        TypeError: if `module` is no linen module.
    """
    from flax import errors, linen

    if not isinstance(module, linen.Module):
        raise TypeError(
            f"module must be a flax.linen.Module; got {type(module).__name__}."
        )
    on: dict[str, Any] = _modes(module)
    linen_module = _Linen(module, on, {name: not value for name, value in on.items()})

    def init(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        return linen_module.init(key, example_inputs)

    params = jax.eval_shape(init, jax.random.key(0))
    try:
        jax.eval_shape(linen_module.train_without_key, params, example_inputs)
        draws = False
    except errors.InvalidRngError:
        draws = True
    if on or draws or isinstance(params, Noted):
        return Model(init, linen_module.apply, linen_module.train)
    return Model(init, linen_module.apply)


class _Linen(NamedTuple):
    """A linen module, and what its call is given while it trains and predicts."""

    module: Any
    on: dict[str, Any]
    off: dict[str, Any]

    def init(self, key: PRNGKeyArray, inputs: PyTree) -> Params:
        collections = dict(self.module.init(key, inputs, **self.off))
        params = collections.pop("params", {})
        collections.pop("intermediates", None)
        return Noted(params, collections) if collections else params

    def apply(self, params: Params, inputs: PyTree) -> PyTree:
        return self.module.apply(_variables(params), inputs, **self.off)

    def train(
        self, params: Params, inputs: PyTree, key: PRNGKeyArray
    ) -> tuple[PyTree, PyTree]:
        check_key("key", key)
        # Streams that have no key of their own take that of the parameters.
        keys = {"dropout": key, "params": jax.random.fold_in(key, 1)}
        return self.train_with(params, inputs, keys)

    def train_without_key(
        self, params: Params, inputs: PyTree
    ) -> tuple[PyTree, PyTree]:
        return self.train_with(params, inputs, None)

    def train_with(
        self, params: Params, inputs: PyTree, keys: dict[str, PRNGKeyArray] | None
    ) -> tuple[PyTree, PyTree]:
        call = functools.partial(
            self.module.apply, _variables(params), inputs, rngs=keys, **self.on
        )
        if not isinstance(params, Noted):
            return call(), None
        predictions, notes = call(mutable=list(params.notes))
        return predictions, {**params.notes, **notes}


def _variables(params: Params) -> dict[str, PyTree]:
    if isinstance(params, Noted):
        return {"params": params.params, **params.notes}
    return {"params": params}


def _modes(module: Any) -> dict[str, bool]:
    """The parameters of a module's call that say whether it trains."""
    parameters = inspect.signature(module.__call__).parameters
    # Flax refuses an argument that the module's own attribute decides already.
    return {
        name: value
        for name, value in _MODES.items()
        if name in parameters and getattr(module, name, None) is None
    }


def from_nnx(module: Any) -> Model:
    """Makes a model of a flax nnx module, split into its graph and its variables.

    While it trains the module is as after `module.train()`, when it predicts as after
    `module.eval()`. The streams of its own `nnx.Rngs` are started anew in every call of
    `train`, those of the n-th leaf of their state from `jax.random.fold_in(key, n)`.

    Args:
        module: `module(rngs) -> flax.nnx.Module`, called by `init` with
            `nnx.Rngs(key)`; or a finished module, whose own variables `init` then
            returns, whatever the key.

    Returns:
        A model whose parameters are the `nnx.State` of the module's `nnx.Param`, in a
        `Noted` pair with that of its other variables where it has any.

    Raises:
        TypeError: if `module` is neither a module nor makes one.
    """
    from flax import nnx

    finished = isinstance(module, nnx.Module)
    if not finished and not callable(module):
        raise TypeError(
            "module must be a flax.nnx.Module, or a function of nnx.Rngs that makes "
            f"one; got {module!r}."
        )

    def make(key: PRNGKeyArray) -> PyTree:
        made = nnx.clone(module) if finished else module(nnx.Rngs(key))
        if not isinstance(made, nnx.Module):
            raise TypeError(
                f"module(rngs) must be a flax.nnx.Module; got {type(made).__name__}."
            )
        return made

    trains, predicts = (
        nnx.eval_shape(lambda mode=mode: _split(make(jax.random.key(0)), mode))
        for mode in ("train", "eval")
    )

    def init(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        parts = _split(make(key), "eval")
        return Noted(parts.params, parts.notes) if predicts.noted else parts.params

    def apply(params: Params, inputs: PyTree) -> PyTree:
        return predicts.call(params, inputs, jax.random.key(0))[0]

    def train(
        params: Params, inputs: PyTree, key: PRNGKeyArray
    ) -> tuple[PyTree, PyTree]:
        check_key("key", key)
        return trains.call(params, inputs, key)

    pure = not trains.noted and not jax.tree.leaves(trains.streams)
    return Model(init, apply) if pure else Model(init, apply, train)


class _Parts(NamedTuple):
    """An nnx module taken apart: its graph and three kinds of variables."""

    graph: PyTree
    params: PyTree
    streams: PyTree
    notes: PyTree

    @property
    def noted(self) -> bool:
        return bool(jax.tree.leaves(self.notes))

    def call(
        self, params: Params, inputs: PyTree, key: PRNGKeyArray
    ) -> tuple[PyTree, PyTree]:
        """Predictions, and the notes afterwards, of a module with other variables."""
        from flax import nnx

        own, notes = params if isinstance(params, Noted) else (params, self.notes)
        streams = _started(self.streams, key)
        module = nnx.merge(self.graph, own, streams, notes, copy=True)
        predictions = module(inputs)
        return predictions, _take_apart(module).notes if self.noted else None


def _split(module: Any, mode: str) -> _Parts:
    """A module in a mode, `"train"` or `"eval"`."""
    getattr(module, mode)()
    return _take_apart(module)


def _take_apart(module: Any) -> _Parts:
    from flax import nnx

    return _Parts(*nnx.split(module, nnx.Param, nnx.RngState, ...))


def _started(streams: PyTree, key: PRNGKeyArray) -> PyTree:
    """The state of streams of random numbers that start from a key, each by itself."""
    leaves, structure = jax.tree.flatten(streams)
    started = []
    for number, leaf in enumerate(leaves):
        if is_key(leaf.dtype):
            own = jax.random.fold_in(key, number)
            started.append(jax.random.split(own, leaf.shape) if leaf.shape else own)
        else:
            started.append(jnp.zeros(leaf.shape, leaf.dtype))
    return jax.tree.unflatten(structure, started)
