"""Arrays in the host's memory, and the threads that fill them.

NumPy knows no typed keys; there they are given by their data.
"""

import collections
import contextlib
import functools
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["adopt", "empty", "run_all", "to_host", "to_jax"]

_ALIGNMENT = 64  # bytes, without which JAX copies
_WORTH_THREADS = 2e-3  # seconds


def empty(n_rows: int, row: Any) -> np.ndarray:
    """Memory that `adopt` need not copy, for rows of the shape and dtype of `row`."""
    if _is_key(row.dtype):
        row = jax.eval_shape(jax.random.key_data, row)
    shape, dtype = (n_rows, *row.shape), np.dtype(row.dtype)
    n_bytes = math.prod(shape) * dtype.itemsize
    memory = np.empty(n_bytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def to_host(array: Any) -> np.ndarray:
    """Waits for an array of JAX and shows it to NumPy, on a CPU without a copy."""
    return np.asarray(jax.random.key_data(array) if _is_key(array.dtype) else array)


def to_jax(
    data: np.ndarray, dtype: Any, put: Callable[..., Any] = jnp.asarray
) -> jax.Array:
    """An array of JAX with a dtype that may be that of typed keys."""
    if not _is_key(dtype):
        return put(data)
    impl = jax.random.key_impl(jnp.empty((), dtype))
    return jax.random.wrap_key_data(put(data), impl=impl)


def adopt(data: np.ndarray, dtype: Any) -> jax.Array:
    """The same, on a CPU without a copy; so no one may write to the data any more."""
    return to_jax(data, dtype, functools.partial(jax.device_put, may_alias=True))


def run_all(run: Callable[..., None], tasks: collections.deque[tuple]) -> None:
    """Calls `run(*task)` for all tasks, on several threads where it takes long."""

    def run_what_is_left() -> None:
        for task in _taken_from(tasks):
            run(*task)

    started = time.perf_counter()
    run(*tasks.popleft())
    left = len(tasks) * (time.perf_counter() - started)
    n_others = min(len(tasks), _n_threads()) - 1 if left > _WORTH_THREADS else 0
    with ThreadPoolExecutor(max(1, n_others)) as pool:
        others = [pool.submit(run_what_is_left) for _ in range(n_others)]
        run_what_is_left()
    for other in others:
        other.result()


def _taken_from(tasks: collections.deque[tuple]) -> Iterator[tuple]:
    # Several threads may see the last task, and one gets it.
    with contextlib.suppress(IndexError):
        while True:
            yield tasks.popleft()


def _n_threads() -> int:
    return (os.cpu_count() or 1) if jax.default_backend() == "cpu" else 1


def _is_key(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jax.dtypes.prng_key)
