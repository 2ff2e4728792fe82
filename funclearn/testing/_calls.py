"""Calling a user's function for a test: with copies, traced, jitted or batched."""

import functools
import os
import traceback
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import MethodType
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._jaxprs import ClosedJaxpr, is_key

__all__ = [
    "JAX",
    "Function",
    "copies",
    "is_jitted",
    "is_traceable",
    "is_used_key",
    "jit_holding",
    "line_of",
    "name_of",
    "to_jaxpr",
    "traced_anew",
    "vmap_and_loop",
]

JAX = tuple(path + os.sep for path in jax.__path__)
"""How the names of JAX's own files begin."""

Function: TypeAlias = Callable[..., PyTree]
"""A function under test, of any pytrees."""


# Part of the key of all that JAX caches. To make one discards these caches once; so it
# is made here, on import, and not in the first assertion.
_tracing = jax.make_user_context()


class _Held(NamedTuple):
    """The structure of arguments, and their leaves that are not traced.

    In the place of every other leaf is None.
    """

    structure: Hashable
    leaves: tuple[object, ...]


def name_of(function: object) -> str:
    """A function's name, as its definition gives it."""
    return getattr(function, "__name__", type(function).__name__)


def is_jitted(function: object) -> bool:
    """Whether a function is the result of `jax.jit`, or calls nothing else.

    A partial does so, a method, and an object of a class whose `__call__` is jitted.
    """
    match function:
        case jax.stages.Wrapped():
            return True
        case functools.partial(func=inner) | MethodType(__func__=inner):
            return is_jitted(inner)
    # Python looks it up in the class.
    return isinstance(vars(type(function)).get("__call__"), jax.stages.Wrapped)


def is_traceable(leaf: object) -> bool:
    """Whether JAX can trace a leaf: an array, key, number or `ShapeDtypeStruct`."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return True  # of any dtype, also of one that JAX would warn of
    try:
        jax.typeof(leaf)
    except TypeError:
        return False
    return True


def is_used_key(leaf: object) -> bool:
    """Whether JAX's key checker finds that a key, or one in an array, was used."""
    if not (isinstance(leaf, jax.Array) and is_key(leaf.dtype)):
        return False
    # The checker cannot be asked; it raises where a used key is drawn from.
    draw = jax.random.bits
    for _ in leaf.shape:
        draw = jax.vmap(draw)
    try:
        draw(leaf)
    except jax.errors.KeyReuseError:
        return True
    return False


def copies(args: tuple[PyTree, ...]) -> tuple[PyTree, ...]:
    """The same arguments in new arrays: a call may donate or overwrite its own."""
    return jax.tree.map(
        lambda leaf: leaf.copy() if isinstance(leaf, jax.Array | np.ndarray) else leaf,
        args,
    )


def to_jaxpr(function: Function, args: tuple[PyTree, ...]) -> ClosedJaxpr:
    """Traces a function of those leaves of its arguments that have a shape."""

    def varies(leaf: object) -> bool:
        return is_traceable(leaf) and hasattr(leaf, "shape")

    def canonical(leaf: PyTree) -> PyTree:
        # Where x64 is disabled, JAX would warn of a `ShapeDtypeStruct` of float64.
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        dtype = jax.dtypes.canonicalize_dtype(leaf.dtype, allow_extended_dtype=True)
        return jax.ShapeDtypeStruct(leaf.shape, dtype)

    held, varying = _split(args, varies)

    def call(leaves: list[PyTree]) -> PyTree:
        return function(*_join(held, leaves))

    return jax.make_jaxpr(call)(jax.tree.map(canonical, varying))


def jit_holding(function: Function, *argument_tuples: tuple[PyTree, ...]) -> Function:
    """Jits a function; leaves of its arguments that JAX cannot trace become static.

    Args:
        function: one that is jitted already is returned as it is.
        argument_tuples: the arguments of the calls to come.
    """
    if is_jitted(function):
        return function
    if all(map(is_traceable, jax.tree.leaves(argument_tuples))):
        return jax.jit(function)

    def call(held: _Held, leaves: list[PyTree]) -> PyTree:
        return function(*_join(held, leaves))

    jitted = jax.jit(call, static_argnums=0)
    return lambda *args: jitted(*_split(args, is_traceable))


def traced_anew() -> AbstractContextManager[None]:
    """Within, JAX traces and compiles all it is given, as if for the first time.

    What it has compiled before, it uses again thereafter. That reaches what
    `clear_cache` does not: a function that is jitted below the top, in a partial, a
    class, under `vmap`, within a loop.
    """
    return _tracing(object())


def vmap_and_loop(
    function: Function, args: tuple[PyTree, ...], in_axes: PyTree
) -> tuple[PyTree, Iterator[PyTree]]:
    """The results of a batch under `jax.vmap`, and those of one example at a time.

    Args:
        function: of one example.
        args: the arguments of the batch.
        in_axes: as for `jax.vmap`; leaves that JAX cannot trace belong to all examples.
    """
    # `jax.vmap` takes one axis, or one pytree of axes, for all arguments.
    prefix = in_axes if isinstance(in_axes, tuple | list) else [in_axes] * len(args)
    broadcast = jax.tree.broadcast(tuple(prefix), args, is_leaf=_is_none)
    axes = jax.tree.leaves(broadcast, is_leaf=_is_none)
    held, varying = _split(args, is_traceable)

    def call(*leaves: object) -> PyTree:
        return function(*_join(held, leaves))

    def pick(index: int, leaf: object, axis: int | None) -> object:
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
    args: tuple[PyTree, ...], varies: Callable[[object], bool]
) -> tuple[_Held, list[PyTree]]:
    """Separates the leaves that vary from the others; each has None for the other."""
    leaves, structure = jax.tree.flatten(args)
    varying = [leaf if varies(leaf) else None for leaf in leaves]
    held = tuple(None if varies(leaf) else leaf for leaf in leaves)
    return _Held(structure, held), varying


def _join(held: _Held, varying: Sequence[object]) -> tuple[PyTree, ...]:
    pairs = zip(held.leaves, varying, strict=True)
    leaves = [fixed if leaf is None else leaf for fixed, leaf in pairs]
    return jax.tree.unflatten(held.structure, leaves)


def _is_none(value: object) -> bool:
    return value is None
