"""Flax nnx modules as models."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from funclearn._checks import check_key
from funclearn._jaxprs import is_key
from funclearn._notes import Noted
from funclearn._signatures import takes_keyword
from funclearn._types import Params
from funclearn.models._model import Model
from funclearn.models._modes import check_call, draws, modes, needs, takes_inside
from funclearn.models._nnx_calls import has_open_modes, switch, tell

__all__ = ["from_nnx"]


def from_nnx(module: Any) -> Model:
    """Makes a model of a flax nnx module, split into its graph and its variables.

    While it trains the module is as after `module.train()`, when it predicts as after
    `module.eval()`; so are boolean attributes `train`, `training`, `is_training` and
    `inference` of its modules. If its call has a parameter of one of these names,
    `deterministic` or `use_running_average`, that is set as well. The streams of its
    own `nnx.Rngs` are started anew in every call of `train`, those of the n-th leaf of
    their state from `jax.random.fold_in(key, n)`; a parameter `rngs` of its call is
    given `nnx.Rngs` of the n that follows, if modules that are not flax's take one.

    Args:
        module: `module(rngs) -> flax.nnx.Module`, called by `init` with
            `nnx.Rngs(key)`; or a finished module, whose own variables `init` then
            returns, whatever the key.

    Returns:
        A model whose parameters are the `nnx.State` of the module's `nnx.Param`, in a
        `Noted` pair with that of its other variables where it has any. Variables that
        it has only once it was called, as those that it sows, are dropped.

    Raises:
        TypeError: if `module` is neither a module nor makes one, or its call needs more
            than the inputs.
        ValueError: from `apply`, if its predictions depend on what it draws.
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
        _Kept(
            nnx.eval_shape(lambda on=on: _split(make(jax.random.key(0)), on)), on
        ).examined()
        for on in (True, False)
    )

    def init(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        parts = _split(make(key), trains=False)
        return Noted(parts.params, parts.notes) if parts.noted else parts.params

    def train(
        params: Params, inputs: PyTree, key: PRNGKeyArray
    ) -> tuple[PyTree, PyTree]:
        check_key("key", key)
        return trains.call(params, inputs, key)[:2]

    differs = trains.differs or trains.rngs or trains.parts.noted
    if differs or jax.tree.leaves(trains.parts.streams):
        return Model(init, predicts.predict, train)
    return Model(init, predicts.predict)


class _Parts(NamedTuple):
    """An nnx module taken apart: its graph and three kinds of variables."""

    graph: PyTree
    params: PyTree
    streams: PyTree
    notes: PyTree

    @property
    def noted(self) -> bool:
        return bool(jax.tree.leaves(self.notes))


class _Kept(NamedTuple):
    """What is kept of a module in a mode.

    Attributes:
        parts: its graph, and the types of its variables.
        trains: whether it trains.
        rngs: whether its call is given `rngs`.
        differs: whether its call, or one inside, has arguments for the mode.
    """

    parts: _Parts
    trains: bool
    rngs: bool = False
    differs: bool = False

    def examined(self) -> "_Kept":
        from flax import nnx

        module = nnx.merge(*self.parts)
        given = modes(module.__call__, self.trains)
        parts = (part for _, part in nnx.iter_modules(module))
        # It hands them on to its layers, in newer versions without a name for them.
        takes = isinstance(module, nnx.Sequential)
        takes = takes or takes_keyword(module.__call__, "rngs")
        rngs = needs(module.__call__, "rngs") or (
            self.trains and takes and takes_inside(parts, "rngs", "flax")
        )
        check_call(module, given=given | ({"rngs": None} if rngs else {}))
        return self._replace(rngs=rngs, differs=has_open_modes(module))

    def call(
        self, params: Params, inputs: PyTree, key: PRNGKeyArray
    ) -> tuple[PyTree, PyTree, bool]:
        """Predictions, the notes afterwards, and whether any stream was drawn from."""
        from flax import nnx

        parts = self.parts
        own, notes = params if isinstance(params, Noted) else (params, parts.notes)
        streams = _started(parts.streams, key)
        module = nnx.merge(parts.graph, own, streams, notes, copy=True)
        given: dict[str, Any] = modes(module.__call__, self.trains)
        started = jax.tree.leaves(streams)
        if self.rngs:
            given["rngs"] = nnx.Rngs(jax.random.fold_in(key, len(started)))
        tell(module, self.trains)
        predictions = module(inputs, **given)
        after = _take_apart(module)
        moved = any(
            one is not other
            for one, other in zip(started, jax.tree.leaves(after.streams), strict=True)
        )
        noted = _restricted(after.notes, notes) if parts.noted else None
        return predictions, noted, moved or self.rngs

    def predict(self, params: Params, inputs: PyTree) -> PyTree:
        from flax import nnx

        def call(key: PRNGKeyArray) -> tuple[PyTree, bool]:
            predictions, _, moved = self.call(params, inputs, key)
            return predictions, moved

        key = jax.random.key(0)
        predictions, moved = call(key)
        # The counters of a stream that went through a loop are others, drawn or not.
        if moved and draws(lambda key: call(key)[0], key):
            raise ValueError(
                "module must predict without drawing; "
                f"{type(nnx.merge(*self.parts)).__name__} does not, after its eval() "
                "and with what its call has to tell it, such as train or deterministic."
            )
        return predictions


def _split(module: Any, trains: bool) -> _Parts:
    """A module that trains, or predicts."""
    switch(module, trains)
    return _take_apart(module)


def _restricted(state: PyTree, like: PyTree) -> PyTree:
    """A state with the variables of another one alone."""
    from flax import nnx

    if jax.tree.structure(state) == jax.tree.structure(like):
        return state
    paths = dict(nnx.to_flat_state(like))
    return nnx.from_flat_state(
        [(path, leaf) for path, leaf in nnx.to_flat_state(state) if path in paths]
    )


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
