"""Equinox modules as models."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from funclearn._checks import check_key, leading_length
from funclearn._notes import Noted
from funclearn._signatures import takes_keyword
from funclearn._types import Params
from funclearn.models._model import Model
from funclearn.models._modes import (
    check_call,
    draws,
    key_type,
    modes,
    needs,
    takes_inside,
)

__all__ = ["from_equinox"]

_AXIS = "batch"  # the name that equinox's documentation gives it


def from_equinox(module: Any) -> Model:
    """Makes a model of an equinox module, partitioned into arrays and all else.

    A module of equinox is called with one row; the model maps it over rows, along an
    axis named `"batch"`. While it trains every row is given its own key, of
    `jax.random.split(key, n)`, if the call has a parameter `key`; when it predicts the
    module is in `equinox.nn.inference_mode`, and is given a key only if it needs one.
    Parameters `inference`, `deterministic`, `use_running_average`, `train`, `training`
    and `is_training` of a call that is not equinox's own are set both times.

    Args:
        module: an `equinox.Module`, a pair `(module, state)` of one that is called
            `module(row, state)` and returns its new state, or a function
            `module(key)` that makes either, as
            `lambda key: equinox.nn.make_with_state(Network)(key=key)` does. Of a
            finished module `init` returns its own arrays, whatever the key.

    Returns:
        A model whose parameters are the module's floating-point arrays; in a `Noted`
        pair with its other arrays and its state, where it has any.

    Raises:
        TypeError: if `module` is neither, or its call needs more than a row.
        ValueError: from `apply`, if its predictions depend on a key.
    """
    import equinox

    finished = isinstance(module, equinox.Module | tuple)
    if not finished and not callable(module):
        raise TypeError(
            "module must be an equinox.Module, a pair of one and its state, or a "
            f"function of a key that makes either; got {module!r}."
        )

    def split(key: PRNGKeyArray) -> tuple[_Parts, PyTree]:
        return _take_apart(module if finished else module(key))

    kept = _Kept(*equinox.filter_eval_shape(split, key_type()))
    whole, state = kept.whole(kept.parts.together)
    key = {"key": None} if takes_keyword(whole.__call__, "key") else {}
    states = () if state is None else (state,)
    check_call(whole, *states, given=_told(whole, trains=True) | key)

    def init(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        return split(key)[0].together

    trains = state is not None or _trains(whole)
    return Model(init, kept.apply, kept.train) if trains else Model(init, kept.apply)


class _Parts(NamedTuple):
    """The arrays of a module that are trained, the others, and its state."""

    params: PyTree
    arrays: PyTree
    state: PyTree

    @property
    def together(self) -> Params:
        if jax.tree.leaves(self[1:]):
            return Noted(self.params, (self.arrays, self.state))
        return self.params


class _Kept(NamedTuple):
    """What is kept of a module: the types of its arrays, and what is no array."""

    parts: _Parts
    static: PyTree

    def whole(self, params: Params) -> tuple[Any, PyTree]:
        """The module with other arrays, and its state."""
        import equinox

        noted = isinstance(params, Noted)
        own, (arrays, state) = params if noted else (params, self.parts[1:])
        return equinox.combine(own, arrays, self.static), state

    def apply(self, params: Params, inputs: PyTree) -> PyTree:
        import equinox

        trained, state = self.whole(params)
        module = equinox.nn.inference_mode(trained)
        told = _told(module, trains=False)
        if not needs(module.__call__, "key"):
            return _mapped(module, state, inputs, None, told)[0]

        def call(key: PRNGKeyArray) -> PyTree:
            keys = jax.random.split(key, leading_length("inputs", inputs))
            return _mapped(module, state, inputs, keys, told)[0]

        key = jax.random.key(0)
        if draws(call, key):
            raise ValueError(
                f"module must predict without drawing; {type(module).__name__} does "
                "not, in inference_mode and with what its call has to tell it, such as "
                "inference or train."
            )
        return call(key)

    def train(
        self, params: Params, inputs: PyTree, key: PRNGKeyArray
    ) -> tuple[PyTree, PyTree]:
        check_key("key", key)
        module, state = self.whole(params)
        keys, noted = None, isinstance(params, Noted)
        if takes_keyword(module.__call__, "key"):
            keys = jax.random.split(key, leading_length("inputs", inputs))
        told = _told(module, trains=True)
        predictions, state = _mapped(module, state, inputs, keys, told)
        return predictions, (params.notes[0], state) if noted else None


def _take_apart(made: Any) -> tuple[_Parts, PyTree]:
    """A module, or a pair of one and its state, and what is no array of it.

    Raises:
        TypeError: if it is neither.
    """
    import equinox

    module, state = made if isinstance(made, tuple) else (made, None)
    if not isinstance(module, equinox.Module):
        raise TypeError(
            "module must be, or make, an equinox.Module, or a pair of one and its "
            f"state; got {type(module).__name__}."
        )
    params, rest = equinox.partition(module, _is_floating)
    arrays, static = equinox.partition(rest, _is_array)
    return _Parts(params, arrays, state), static


def _mapped(
    module: Callable[..., PyTree],
    state: PyTree,
    inputs: PyTree,
    keys: PyTree,
    told: dict[str, bool],
) -> tuple[PyTree, PyTree]:
    """The module's value for every row, and its state afterwards."""

    # Equinox refuses a state that was used before; what is mapped over is a copy.
    def call(
        row: PyTree, state: PyTree, key: PRNGKeyArray | None
    ) -> tuple[PyTree, PyTree]:
        more = told if key is None else {"key": key, **told}
        if state is None:
            return module(row, **more), None
        return module(row, state, **more)

    mapped = jax.vmap(
        call,
        in_axes=(0, None, None if keys is None else 0),
        out_axes=(0, None),
        axis_name=_AXIS,
    )
    return mapped(inputs, state, keys)


def _told(module: Any, trains: bool) -> dict[str, bool]:
    """What tells the call of a module whether it trains."""
    # The parameters of equinox's own calls override its attributes, if need be.
    own = type(module).__module__.split(".")[0] == "equinox"
    return {} if own else modes(module.__call__, trains)


def _trains(module: Any) -> bool:
    """Whether training is something else than predicting."""
    nodes: list[Any] = []

    def is_leaf(node: object) -> bool:
        nodes.append(node)
        return False

    jax.tree.leaves(module, is_leaf=is_leaf)
    takes_key = takes_keyword(module.__call__, "key")
    return (
        any(hasattr(node, "inference") for node in nodes)
        or bool(_told(module, trains=True))
        or needs(module.__call__, "key")
        or (takes_key and takes_inside(nodes, "key", "equinox"))
    )


def _is_array(leaf: object) -> bool:
    return isinstance(leaf, jax.Array | jax.ShapeDtypeStruct)


def _is_floating(leaf: Any) -> bool:
    return _is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.floating)
