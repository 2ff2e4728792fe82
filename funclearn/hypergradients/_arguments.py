"""What a run is called with: what moves, what is data, and what is known beforehand."""

import inspect
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._checks import check_floating
from funclearn._words import described

__all__ = ["Fixed", "check_call", "check_moving", "names_of", "take_apart"]


class Fixed(NamedTuple):
    """Arguments without their arrays; it is known while tracing.

    Attributes:
        leaves: what is not an array or a fraction: whole numbers, text, functions; None
            stands for one.
        types: theirs, since 1 and True are equal.
        structure: that of all arguments, by name.
    """

    leaves: tuple[Hashable, ...]
    types: tuple[type, ...]
    structure: Hashable

    def fill(self, arrays: Sequence[Any]) -> dict[str, PyTree]:
        """Puts the arguments together again."""
        left = iter(arrays)
        leaves = [next(left) if leaf is None else leaf for leaf in self.leaves]
        return jax.tree.unflatten(self.structure, leaves)


def take_apart(arguments: Mapping[str, PyTree]) -> tuple[list[Any], Fixed]:
    """Separates the arrays of some arguments from the rest.

    Raises:
        TypeError: if something is neither an array nor hashable.
    """
    leaves, structure = jax.tree.flatten(dict(arguments))
    arrays, rest = [], []
    for leaf in leaves:
        is_array = isinstance(leaf, jax.Array | np.ndarray | np.generic | float)
        if is_array:
            arrays.append(leaf)
        rest.append(None if is_array else leaf)
    fixed = Fixed(tuple(rest), tuple(map(type, rest)), structure)
    try:
        hash(fixed)
    except TypeError:
        raise TypeError(
            "arguments of run must hold arrays, numbers and what is hashable; got "
            f"{', '.join(described(leaf) for leaf in rest if not _is_hashable(leaf))}."
        ) from None
    return arrays, fixed


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def names_of(wrt: str | Sequence[str]) -> tuple[str, ...]:
    """The names of arguments, of which there must be one.

    Raises:
        TypeError: if they are not names.
        ValueError: if there is none, or one comes twice.
    """
    names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                "wrt must be a name, names, or a dictionary of values by name; got "
                f"{described(name)} among them."
            )
    if not names or len(set(names)) < len(names):
        raise ValueError(f"wrt must name arguments of run, each once; got {names!r}.")
    return names


def check_call(
    run: Callable[..., Any], names: Collection[str], *, partly: bool = False
) -> None:
    """Refuses names that are not those of a run's parameters.

    Args:
        run: what will be called with these keywords.
        names: the keywords.
        partly: whether there will be more of them.

    Raises:
        TypeError: if it cannot be called so.
    """
    if not callable(run):
        raise TypeError(
            f"run must be a function of keyword arguments; got {described(run)}."
        )
    try:
        signature = inspect.signature(run)
    except (TypeError, ValueError):  # some of C have none
        return
    try:
        keywords = dict.fromkeys(names)
        (signature.bind_partial if partly else signature.bind)(**keywords)
    except TypeError as error:
        raise TypeError(
            f"run{signature} must take the arguments that it is given by name, "
            f"{', '.join(names) or 'none'}; {error}."
        ) from None


def check_moving(point: Mapping[str, PyTree]) -> int:
    """Counts the numbers by which to differentiate.

    Raises:
        TypeError: if one is not a real floating-point number.
        ValueError: if there is none in an argument.
    """
    count = 0
    for name, value in point.items():
        check_floating(name, value)
        size = sum(np.size(leaf) for leaf in jax.tree.leaves(value))
        if not size:
            raise ValueError(f"{name} must hold at least one number; got none.")
        count += size
    return count
