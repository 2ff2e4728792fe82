"""Flax nnx modules as models."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from funclearn._checks import check_key
from funclearn._jaxprs import is_key
from funclearn._notes import Noted
from funclearn._types import Params
from funclearn.models._model import Model

__all__ = ["from_nnx"]


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
