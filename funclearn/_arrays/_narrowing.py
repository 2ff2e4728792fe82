"""NumPy's 64 bits in the 32 that JAX has for them, where nothing is lost."""

import math
import warnings
from typing import TypeGuard

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._arrays._reading import Arrays
from funclearn._checks import path_name

__all__ = ["is_narrowed", "narrowed"]

# Rounding by this part of a column's deviation shows in what is fitted to it.
_COARSE = 1e-3


def is_narrowed(value: object) -> TypeGuard[np.ndarray]:
    """Whether it is a NumPy array of a dtype that JAX would narrow."""
    return isinstance(value, np.ndarray) and _of_jax(value) != value.dtype


def narrowed(name: str, data: PyTree, *, whole: bool = True) -> PyTree:
    """Brings NumPy's arrays to the dtypes that JAX has for them.

    Args:
        name: the argument to name in messages.
        data: a pytree of arrays of JAX's and NumPy's, as `as_arrays` returns it.
        whole: whether they are all rows there are: of a part nobody can say whether
            digits matter that are lost, and no warning is given.

    Returns:
        The same pytree, every array of a dtype that JAX keeps.

    Raises:
        ValueError: if a value is beyond the range of its new dtype.

    Warns:
        UserWarning: where float32 rounds a column by more than its spread can bear, or
            does not hold the integers among a data set's inputs apart.
    """
    if not any(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(data)):
        return data
    # Models compute floats of them; labels and numbers of rows stay integers.
    inputs = jax.tree_util.GetAttrKey("inputs")
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: _narrow(path_name(name, path), leaf, inputs in path, whole),
        data,
    )


def _of_jax(array: np.ndarray) -> np.dtype:
    return np.dtype(jax.dtypes.canonicalize_dtype(array.dtype))


def _narrow(name: str, array: Arrays, computed_with: bool, whole: bool) -> Arrays:
    if not isinstance(array, np.ndarray):
        return array
    if array.size == 0:
        return array.astype(_of_jax(array))
    if array.dtype.kind in "iu":
        _check_range(name, array, _of_jax(array))
        if computed_with and whole:
            _warn_of_merged(name, array)
    elif array.dtype.kind == "f" and is_narrowed(array):
        return _narrow_floats(name, array, _of_jax(array), whole)
    return array.astype(_of_jax(array), copy=False)


def _check_range(name: str, array: np.ndarray, dtype: np.dtype) -> None:
    if not is_narrowed(array):
        return
    low, high = int(array.min()), int(array.max())
    limits = np.iinfo(dtype)
    if low < limits.min or high > limits.max:
        raise ValueError(
            f"{name} must fit into JAX's {dtype}, {limits.min} to {limits.max}; got "
            f"{array.dtype} from {low} to {high}: standardise them, subtract an "
            "origin, or make floats of them by .astype(float)."
        )


def _warn_of_merged(name: str, array: np.ndarray) -> None:
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(float))
    exact = 2 ** (np.finfo(dtype).nmant + 1)
    if max(-int(array.min()), int(array.max())) <= exact:
        return
    distinct = np.unique(array)
    merged = np.diff(distinct.astype(dtype)) == 0
    if merged.any():
        first = int(np.argmax(merged))
        _warn(
            f"{name} holds integers that {dtype} does not hold apart, such as "
            f"{distinct[first]} and {distinct[first + 1]}: standardise them first."
        )


def _narrow_floats(
    name: str, array: np.ndarray, dtype: np.dtype, whole: bool
) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        floats = array.astype(dtype)
    columns = np.reshape(array, (len(array) if array.ndim else 1, -1))
    low, high = columns.min(axis=0), columns.max(axis=0)
    size, limits = np.maximum(-low, high), np.finfo(dtype)
    if not np.all(size <= limits.max):
        beyond = array[np.isinf(floats) & np.isfinite(array)]
        if beyond.size:
            raise ValueError(
                f"{name} must fit into JAX's {dtype}, up to {limits.max:.3g}; got "
                f"{beyond[0]:.6g}: standardise it, or divide it by a unit."
            )
    if not whole:
        return floats
    # The deviation of n values is no less than their range over the root of 2n, which
    # nearly always says already that nothing is lost.
    with np.errstate(invalid="ignore", over="ignore"):  # infinities
        least = (high - low) / math.sqrt(2 * len(columns))
        rounding = limits.eps * size + limits.tiny
        unclear = ~(rounding <= _COARSE * least) & (high > low)
    for column in columns.T[unclear]:
        _warn_of_lost_digits(name, column, dtype)
    return floats


def _warn_of_lost_digits(name: str, column: np.ndarray, dtype: np.dtype) -> None:
    with np.errstate(invalid="ignore", under="ignore"):
        rounded = column.astype(dtype)
        # XLA takes what is smaller than any normal float for 0.
        rounded = np.where(np.abs(rounded) < np.finfo(dtype).tiny, 0, rounded)
        error = np.abs(column - rounded).max()
        deviation = column.std()
    if error > _COARSE * deviation:
        _warn(
            f"{name} loses digits as {dtype}: values with a standard deviation of "
            f"{deviation:.2g} are rounded by up to {error:.2g}: standardise them first."
        )


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=2)
