"""The values that a sweep goes through under one name."""

from typing import Any, TypeGuard

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._checks import integer_at_least, leading_length
from funclearn._jaxprs import is_key

__all__ = [
    "Static",
    "is_numeric",
    "labels",
    "length",
    "number_of",
    "pick",
    "position_of",
    "rows",
]


@jax.tree_util.register_static
class Static(tuple):
    """Values that are not traced."""


def length(name: str, values: PyTree) -> int:
    """The number of values under a name."""
    return len(values) if isinstance(values, Static) else leading_length(name, values)


def pick(values: PyTree, position: int) -> PyTree:
    """The value at a position."""
    if isinstance(values, Static):
        return values[position]
    return jax.tree.map(lambda leaf: leaf[position], values)


def rows(values: PyTree, positions: np.ndarray) -> PyTree:
    """The values at some positions."""
    if isinstance(values, Static):
        return Static(values[position] for position in positions)
    return jax.tree.map(lambda leaf: leaf[positions], values)


def labels(name: str, values: PyTree) -> np.ndarray:
    """What stands for each value in a table: itself, or its position."""
    if isinstance(values, Static):
        return np.array(list(map(str, values)))
    if is_numeric(values, ndim=1):
        return np.asarray(values)
    return np.arange(length(name, values))


def is_numeric(values: PyTree, *, ndim: int) -> TypeGuard[jax.Array | np.ndarray]:
    """Whether they are one array of numbers, with so many axes."""
    is_array = isinstance(values, jax.Array | np.ndarray)
    if not is_array or is_key(values.dtype):
        return False
    return values.ndim == ndim


def position_of(name: str, value: object, n_values: int) -> int:
    """A position, counted from 0, or from -1 backwards.

    Raises:
        TypeError: if it is no integer.
        IndexError: if there is none such.
    """
    try:
        return range(n_values)[integer_at_least(name, value, -n_values)]
    except (IndexError, ValueError):
        raise IndexError(
            f"{name} must be a position from {-n_values} to {n_values - 1}; got "
            f"{value}."
        ) from None


def number_of(name: str, value: Any) -> float:
    """A single number.

    Raises:
        TypeError: if it is none.
    """
    try:
        if isinstance(value, str) or np.ndim(value):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a single number; got {value!r}.") from None
