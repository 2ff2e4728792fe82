"""Arrays in the host's memory, which threads fill.

NumPy knows no typed keys; there they are given by their data.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from funclearn._jaxprs import ShapedArray, is_key

__all__ = ["adopt", "empty", "restorer", "to_host"]

_ALIGNMENT = 64  # bytes, without which JAX copies


def empty(n_rows: int, row: ShapedArray) -> np.ndarray:
    """Memory that `adopt` need not copy, for rows of the shape and dtype of `row`."""
    if is_key(row.dtype):
        row = jax.eval_shape(jax.random.key_data, row)
    shape, dtype = (n_rows, *row.shape), np.dtype(row.dtype)
    n_bytes = math.prod(shape) * dtype.itemsize
    memory = np.empty(n_bytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def to_host(array: Any) -> np.ndarray:
    """Waits for an array of JAX and shows it to NumPy, on a CPU without a copy."""
    return np.asarray(jax.random.key_data(array) if is_key(array.dtype) else array)


def restorer(dtype: Any) -> Callable[[Any], Any]:
    """Makes of what `to_host` shows an argument of the given dtype."""
    if not is_key(dtype):
        return lambda data: data
    impl = jax.random.key_impl(jnp.empty((), dtype))
    return functools.partial(jax.random.wrap_key_data, impl=impl)


def adopt(arrays: list[np.ndarray], dtypes: list[object]) -> list[jax.Array]:
    """Makes them JAX's, on a CPU without a copy: no one may write to them any more."""
    adopted = jax.device_put(arrays, may_alias=True)
    pairs = zip(map(restorer, dtypes), adopted, strict=True)
    return [restore(array) for restore, array in pairs]
