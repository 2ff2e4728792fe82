"""Arrays from every process to all others."""

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from funclearn._jaxprs import Tracer

__all__ = ["Elsewhere", "from_all", "one_of_each", "wait_for"]

_SHORTEST, _LONGEST = 5e-5, 5e-3  # seconds between two looks whether an array is there


class Elsewhere(RuntimeError):
    """Another process failed, or was lost."""


def one_of_each(tree: PyTree) -> tuple[Any, ...]:
    """Of every process that holds a part of a pytree's arrays a device, in their order.

    Empty if all lie in this process alone.
    """
    found: dict[int, Any] = {}
    for leaf in jax.tree.leaves(tree):
        if not isinstance(leaf, jax.Array) or isinstance(leaf, Tracer):
            continue
        if not leaf.is_fully_addressable:
            for device in leaf.sharding.device_set:
                known = found.setdefault(device.process_index, device)
                found[device.process_index] = min(known, device, key=lambda one: one.id)
    return tuple(found[process] for process in sorted(found))


def from_all(array: np.ndarray, one_each: tuple[Any, ...]) -> np.ndarray:
    """What every process has there, along a new axis 0.

    Args:
        array: of one shape and dtype in all of them.
        one_each: of every process a device, in their order.
    """
    parts, gather = _gathering(one_each)
    shape = len(one_each), *array.shape
    own = jax.make_array_from_process_local_data(parts, array[None], shape)
    gathered = gather(own)
    wait_for(gathered)
    return np.asarray(gathered)


@functools.lru_cache(maxsize=16)
def _gathering(
    one_each: tuple[Any, ...],
) -> tuple[NamedSharding, Callable[[jax.Array], jax.Array]]:
    """Where the parts lie, and what brings them together."""
    mesh = Mesh(np.array(one_each), ("process",), (AxisType.Auto,))
    everywhere = NamedSharding(mesh, PartitionSpec())
    parts = NamedSharding(mesh, PartitionSpec("process"))
    return parts, jax.jit(lambda x: x, out_shardings=everywhere)


def wait_for(array: Any) -> None:
    """Waits in Python, where signals are heard, and not in XLA.

    Raises:
        Elsewhere: if a part in this process failed, of an array that others hold too.
    """
    pause = _SHORTEST
    while not _is_ready(array):
        if not getattr(array, "is_fully_addressable", True):
            _check_parts(array)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST)


def _is_ready(array: Any) -> bool:
    # Not a part of what JAX documents of arrays; without it the wait is in XLA.
    return getattr(array, "is_ready", lambda: True)()


def _check_parts(array: Any) -> None:
    """Raises if a part failed: another device of this process may wait for it for ever.

    That is how XLA's collectives between CPUs end when a process is killed.
    """
    for part in array.addressable_shards:
        if _is_ready(part.data):
            try:
                part.data.block_until_ready()
            # JAX has no class for it.
            except Exception as error:
                holders = {one.process_index for one in array.sharding.device_set}
                lost = f"one of {len(holders)} processes was lost: {error}"
                raise Elsewhere(lost) from error
