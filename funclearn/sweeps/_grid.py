"""What a sweep is asked for: the arguments, read and checked."""

import inspect
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from funclearn._arrays import as_arrays, narrowed
from funclearn._words import described
from funclearn.sweeps._values import Static, length

__all__ = ["check_run", "read_grid", "read_static"]


def check_run(run: Any, grid: Any) -> None:
    """Refuses a run that cannot be called with the names of the grid.

    Raises:
        TypeError: if `run` is no function, `grid` no dictionary, or names differ.
        ValueError: if the grid is empty.
    """
    if not callable(run):
        raise TypeError(f"run must be a function; got {_shown(run)}.")
    if not isinstance(grid, Mapping):
        raise TypeError(
            "grid must be a dictionary, of the names of run's arguments to their "
            f"values; got {_shown(grid)}."
        )
    if not grid:
        raise ValueError("grid must name at least one argument; got none.")
    try:
        signature = inspect.signature(run)
    except (TypeError, ValueError):  # some that are written in C have none
        return
    try:
        signature.bind(**grid)
    except TypeError as error:
        raise TypeError(
            f"grid must name the arguments of run, {signature}; got "
            f"{', '.join(map(str, grid))}: {error}."
        ) from None


def read_static(static_argnames: Any, grid: Mapping[str, PyTree]) -> tuple[str, ...]:
    """The names of arguments that are not traced; a string is a single one.

    Raises:
        ValueError: if one of them is not in the grid.
    """
    if isinstance(static_argnames, str):
        static_argnames = (static_argnames,)
    if unknown := set(static_argnames) - set(grid):
        raise ValueError(f"static_argnames must be in grid; got {sorted(unknown)}.")
    return tuple(static_argnames)


def read_grid(
    grid: Mapping[str, PyTree], static_argnames: Sequence[str]
) -> dict[str, PyTree]:
    """The values by name: pytrees of arrays, or values that are not traced.

    Raises:
        TypeError: if values are neither arrays nor numbers nor static, or static ones
            are no list or cannot be hashed.
        ValueError: if there are none, leading axes differ, or JAX's dtype cannot hold
            them.
    """
    values = {
        name: _static(name, given) if name in static_argnames else _traced(name, given)
        for name, given in grid.items()
    }
    for name, given in values.items():
        length(name, given)
    return values


def _static(name: str, given: Any) -> Static:
    try:
        if isinstance(given, str | bytes | Mapping):
            raise TypeError
        values = Static(given)
    except TypeError:
        raise TypeError(
            f"{name} is one of static_argnames, so it must be a list of values; got "
            f"{_shown(given)}."
        ) from None
    if not values:
        raise ValueError(f"{name} must have at least one value; got none.")
    for value in values:
        try:
            hash(value)
        except TypeError:
            raise TypeError(
                f"{name} is one of static_argnames, so its values must be hashable; "
                f"got {_shown(value)}."
            ) from None
    return values


def _traced(name: str, given: PyTree) -> PyTree:
    if isinstance(given, range):
        given = list(given)
    try:
        # NumPy, which reads other lists, knows no keys and no tracers.
        arrays = jnp.asarray(given) if _holds_scalars_of_jax(given) else given
        arrays = as_arrays(name, arrays)
        if not jax.tree.leaves(arrays):
            raise TypeError
    except TypeError:
        raise TypeError(
            f"{name} must hold arrays or numbers, or be one of static_argnames; got "
            f"{_shown(given)}."
        ) from None
    return jax.tree.map(jnp.asarray, narrowed(name, arrays))


def _holds_scalars_of_jax(given: Any) -> bool:
    """Whether it is a list that can only be meant as one array, and JAX must read."""
    if isinstance(given, list):
        return not given or any(
            isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(given)
        )
    return type(given) is tuple and all(
        isinstance(one, jax.Array) and one.ndim == 0 for one in given
    )


def _shown(value: Any) -> str:
    """What was got, in a few words of one line."""
    if isinstance(value, list | tuple | dict | set):
        return " ".join(reprlib.repr(value).split())
    return described(value)
