"""Arrays in the host's memory, and the threads that fill them.

NumPy knows no typed keys; there they are given by their data.
"""

import collections
import contextlib
import functools
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from funclearn._jaxprs import ShapedArray, is_key

__all__ = ["adopt", "empty", "restorer", "run_all", "to_host"]

T = TypeVar("T")

_ALIGNMENT = 64  # bytes, without which JAX copies
_WORTH_THREADS = 2e-3  # seconds


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


def run_all(run: Callable[[T], None], tasks: Iterable[T]) -> None:
    """Calls `run(task)` for all tasks, on several threads where it takes long."""
    queue = collections.deque(tasks)
    # A setting that JAX may keep for this thread alone.
    double = jnp.result_type(float) == jnp.float64

    def run_what_is_left() -> None:
        with jax.enable_x64(double):
            for task in _taken_from(queue):
                run(task)

    started = time.perf_counter()
    run(queue.popleft())
    left = len(queue) * (time.perf_counter() - started)
    n_others = min(len(queue), _n_threads()) - 1 if left > _WORTH_THREADS else 0
    with ThreadPoolExecutor(max(1, n_others)) as pool:
        others = [pool.submit(run_what_is_left) for _ in range(n_others)]
        run_what_is_left()
    for other in others:
        other.result()


def _taken_from(queue: collections.deque[T]) -> Iterator[T]:
    # Several threads may see the last task, and one gets it.
    with contextlib.suppress(IndexError):
        while True:
            yield queue.popleft()


def _n_threads() -> int:
    return (os.cpu_count() or 1) if jax.default_backend() == "cpu" else 1
