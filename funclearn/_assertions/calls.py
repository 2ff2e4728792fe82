"""Calling a user's function for a test: with copies, held leaves, a counter."""

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from funclearn import _jaxprs
from funclearn._checks import path_name
from funclearn._jaxprs import ClosedJaxpr

__all__ = [
    "JAX",
    "copies",
    "counting_compilations",
    "describe_change",
    "forget_compilation",
    "is_jitted",
    "is_key",
    "is_traceable",
    "is_used_key",
    "jit",
    "line_of",
    "name_of",
    "trace",
    "vmap_and_loop",
]

JAX = tuple(path + os.sep for path in jax.__path__)
"""How the names of JAX's own files begin."""

_COMPILATION = "/jax/core/compile/"

_Function: TypeAlias = Callable[..., Any]


class _Held(NamedTuple):
    """Leaves of arguments that no transformation of JAX takes; None for the others."""

    structure: Any
    leaves: tuple[Any, ...]


def name_of(function: Any) -> str:
    """A function's name, as its definition gives it."""
    return getattr(function, "__name__", type(function).__name__)


def is_jitted(function: Any) -> bool:
    """Whether a function is the result of `jax.jit`."""
    return isinstance(function, jax.stages.Wrapped)


def is_traceable(leaf: Any) -> bool:
    """Whether JAX can trace a leaf: an array, a key, a number, or their stand-in."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return True  # even one of a type that JAX would warn of
    try:
        jax.typeof(leaf)
    except TypeError:
        return False
    return True


def is_key(leaf: Any) -> bool:
    """Whether a leaf is a typed key, or an array of them."""
    return isinstance(leaf, jax.Array) and _jaxprs.is_key(leaf.dtype)


def is_used_key(leaf: Any) -> bool:
    """Whether a leaf is a key, or holds one, that JAX's key checker knows as used."""
    if not is_key(leaf):
        return False
    draw = jax.random.bits
    for _ in leaf.shape:
        draw = jax.vmap(draw)
    try:
        draw(leaf)
    except jax.errors.KeyReuseError:
        return True
    return False


def copies(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same arguments in new arrays: a call may donate or overwrite its own."""
    return jax.tree.map(
        lambda leaf: leaf.copy() if isinstance(leaf, jax.Array | np.ndarray) else leaf,
        args,
    )


def trace(function: _Function, args: tuple[Any, ...]) -> ClosedJaxpr:
    """The jaxpr of a function of those leaves of its arguments that have a shape."""

    def varies(leaf: Any) -> bool:
        return is_traceable(leaf) and hasattr(leaf, "shape")

    def as_jax_has_it(leaf: Any) -> Any:
        # Of a stand-in for float64 JAX would warn that it stands for float32.
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        dtype = jax.dtypes.canonicalize_dtype(leaf.dtype, allow_extended_dtype=True)
        return jax.ShapeDtypeStruct(leaf.shape, dtype)

    held, varying = _split(args, varies)

    def call(leaves: list[Any]) -> Any:
        return function(*_join(held, leaves))

    return jax.make_jaxpr(call)(jax.tree.map(as_jax_has_it, varying))


def jit(function: _Function, *argument_tuples: tuple[Any, ...]) -> _Function:
    """Jits a function; leaves of its arguments that JAX cannot trace become static.

    Args:
        function: one that is jitted already is returned as it is.
        argument_tuples: the arguments of the calls to come.
    """
    if is_jitted(function):
        return function
    if all(map(is_traceable, jax.tree.leaves(argument_tuples))):
        return jax.jit(function)

    def call(held: _Held, leaves: list[Any]) -> Any:
        return function(*_join(held, leaves))

    jitted = jax.jit(call, static_argnums=0)
    return lambda *args: jitted(*_split(args, is_traceable))


def forget_compilation(function: Any) -> None:
    """Makes a jitted function trace anew when it is called next."""
    if is_jitted(function):
        function.clear_cache()


def vmap_and_loop(
    function: _Function, args: tuple[Any, ...], in_axes: Any
) -> tuple[Any, Iterator[Any]]:
    """The results of a batch under `jax.vmap`, and those of one example at a time.

    Args:
        function: of one example.
        args: the arguments of the batch.
        in_axes: as for `jax.vmap`; leaves that JAX cannot trace belong to all examples.
    """
    prefix = in_axes if isinstance(in_axes, tuple | list) else [in_axes] * len(args)
    broadcast = jax.tree.broadcast(tuple(prefix), args, is_leaf=_is_none)
    axes = jax.tree.leaves(broadcast, is_leaf=_is_none)
    held, varying = _split(args, is_traceable)

    def call(*leaves: Any) -> Any:
        return function(*_join(held, leaves))

    def pick(index: int, leaf: Any, axis: int | None) -> Any:
        if leaf is None or axis is None:
            return leaf
        return jax.lax.index_in_dim(jnp.asarray(leaf), index, axis, keepdims=False)

    batched = jax.vmap(call, tuple(axes))(*varying)
    size = max((jnp.shape(leaf)[0] for leaf in jax.tree.leaves(batched)), default=0)
    alone = (
        call(*(pick(index, *pair) for pair in zip(varying, axes, strict=True)))
        for index in range(size)
    )
    return batched, alone


@contextmanager
def counting_compilations() -> Iterator[list[str]]:
    """Collects an event for everything that JAX traces, lowers or compiles."""
    events: list[str] = []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event.startswith(_COMPILATION):
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield events
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def describe_change(now: Any, before: Any) -> str:
    """Says what about arguments differs such that JAX takes them for others."""
    structures = jax.tree.structure(now), jax.tree.structure(before)
    if structures[0] != structures[1]:
        return f"the arguments are {structures[0]}, and were {structures[1]}"
    leaves = jax.tree_util.tree_leaves_with_path(now)
    for (path, leaf), other in zip(leaves, jax.tree.leaves(before), strict=True):
        kinds = _kind(leaf), _kind(other)
        if kinds[0] != kinds[1]:
            return f"{path_name('arguments', path)} is {kinds[0]}, and was {kinds[1]}"
    return "the arguments are of the same types"


def line_of(error: jax.errors.KeyReuseError) -> str:
    """The line of source outside JAX where a key is used again."""
    # Of traced code JAX tells the line in the error's cause; the cause of another
    # error is where the key was used first.
    source = error.__cause__
    if source is None or isinstance(source, jax.errors.KeyReuseError):
        source = error
    frames = traceback.extract_tb(source.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(JAX)]
    return f"{own[-1].filename}:{own[-1].lineno}: {own[-1].line}" if own else ""


def _split(
    args: tuple[Any, ...], varies: Callable[[Any], bool]
) -> tuple[_Held, list[Any]]:
    """Parts the leaves that vary from those held, with None in each other's places."""
    leaves, structure = jax.tree.flatten(args)
    varying = [leaf if varies(leaf) else None for leaf in leaves]
    held = tuple(None if varies(leaf) else leaf for leaf in leaves)
    return _Held(structure, held), varying


def _join(held: _Held, varying: Sequence[Any]) -> tuple[Any, ...]:
    pairs = zip(held.leaves, varying, strict=True)
    leaves = [fixed if leaf is None else leaf for fixed, leaf in pairs]
    return jax.tree.unflatten(held.structure, leaves)


def _is_none(value: Any) -> bool:
    return value is None


def _kind(leaf: Any) -> str:
    if not is_traceable(leaf):
        return repr(leaf)
    kind = jax.typeof(leaf)
    weak = ", a Python number's weak type" if getattr(kind, "weak_type", False) else ""
    return f"{kind.dtype}{list(kind.shape)}{weak}"
