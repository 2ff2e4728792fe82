"""The values that a sweep goes through under one name."""

from typing import TypeGuard

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._checks import leading_length
from funclearn._jaxprs import is_key

__all__ = ["Static", "is_numeric", "labels", "length", "pick"]


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
