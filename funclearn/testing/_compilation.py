"""The assertion that calls share one compilation, and what it needs to know of JAX."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
from jaxtyping import PyTree

from funclearn._checks import path_name
from funclearn.testing._calls import (
    Function,
    copies,
    is_traceable,
    jit_holding,
    name_of,
)

__all__ = ["assert_compiles_once", "counting_compilations"]

# The events of tracing, lowering and compiling begin so.
_COMPILATION = "/jax/core/compile/"


def assert_compiles_once(
    function: Function, *argument_tuples: tuple[PyTree, ...]
) -> None:
    """Asserts that calls with all these arguments share one compilation.

    Args:
        function: if it is not the result of `jax.jit`, it is jitted for the purpose;
            leaves that JAX cannot trace, such as functions, are then static.
        argument_tuples: the arguments of one call each; the first call is repeated at
            the end.

    Raises:
        AssertionError: if JAX traces or compiles anything after the first call; names
            the call, and the leaf whose type differs from that in the first call.
        ValueError: if there are no arguments.
    """
    if not argument_tuples:
        raise ValueError("argument_tuples must hold at least one tuple; got none.")
    compiled = jit_holding(function, *argument_tuples)
    first = argument_tuples[0]
    for position, args in enumerate([*argument_tuples, first]):
        # Copying may compile as well, which must not be counted.
        fresh = copies(args)
        with counting_compilations() as compilations:
            compiled(*fresh)
        # The first call has to compile.
        if position and compilations:
            raise AssertionError(
                f"{name_of(function)} is compiled anew in call {position} "
                f"(counted from 0): {_describe_change(args, first)}. Usual "
                "causes: a shape that follows the data, a Python number where there "
                "was an array or the reverse, a static argument that is a new object "
                "in every call."
            )


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


def _describe_change(now: PyTree, before: PyTree) -> str:
    """The first difference of type between arguments that makes JAX compile anew."""
    structures = jax.tree.structure(now), jax.tree.structure(before)
    if structures[0] != structures[1]:
        return f"the arguments are {structures[0]}, and were {structures[1]}"
    leaves = jax.tree_util.tree_leaves_with_path(now)
    for (path, leaf), other in zip(leaves, jax.tree.leaves(before), strict=True):
        kinds = _kind(leaf), _kind(other)
        if kinds[0] != kinds[1]:
            return f"{path_name('arguments', path)} is {kinds[0]}, and was {kinds[1]}"
    return "the arguments are of the same types"


def _kind(leaf: object) -> str:
    if not is_traceable(leaf):
        return repr(leaf)
    kind = jax.typeof(leaf)
    weak = ", a Python number's weak type" if getattr(kind, "weak_type", False) else ""
    return f"{kind.dtype}{list(kind.shape)}{weak}"
