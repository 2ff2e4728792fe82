"""Arrays of which this process holds a part."""

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._jaxprs import Tracer
from funclearn._processes._exchange import from_all, one_of_each

__all__ = ["is_spread", "local", "whole"]


def is_spread(leaf: object) -> bool:
    """Whether devices of several processes hold different parts of an array."""
    return (
        isinstance(leaf, jax.Array)
        and not isinstance(leaf, Tracer)
        and not leaf.is_fully_addressable
        and not leaf.is_fully_replicated
    )


def local(tree: PyTree) -> PyTree:
    """The same pytree, of this process's copies of arrays that every one has whole.

    What is made of them concerns no other process.
    """

    def own(leaf: object) -> object:
        if (
            isinstance(leaf, jax.Array)
            and not isinstance(leaf, Tracer)
            and not leaf.is_fully_addressable
            and leaf.is_fully_replicated
        ):
            return leaf.addressable_data(0)
        return leaf

    return jax.tree.map(own, tree)


def whole(array: jax.Array | np.ndarray) -> np.ndarray:
    """The numbers of an array on the host.

    Every process that holds a part of it must call this, unless each has it whole. No
    device ever holds more than a part of every process.
    """
    if not isinstance(array, jax.Array) or not is_spread(array):
        return np.asarray(local(array))
    devices, places = one_of_each(array), _places(array)
    processes = [device.process_index for device in devices]
    parts = {_bounds(array, one.index): one.data for one in array.addressable_shards}
    mine = places.get(jax.process_index(), [])
    numbers = np.empty(array.shape, array.dtype)
    shape = array.sharding.shard_shape(array.shape)
    for number in range(max(map(len, places.values()))):
        sent = np.zeros(shape, array.dtype)
        if number < len(mine):
            sent = np.asarray(parts[mine[number]])
        # As bytes, which no conversion changes.
        flat = np.ascontiguousarray(sent).reshape(-1).view(np.uint8)
        for process, got in zip(processes, from_all(flat, devices), strict=True):
            for bounds in places.get(process, [])[number : number + 1]:
                part = np.ascontiguousarray(got).view(array.dtype).reshape(shape)
                numbers[tuple(slice(*pair) for pair in bounds)] = part
    return numbers


_Bounds = tuple[tuple[int, int], ...]


def _places(array: jax.Array) -> dict[int, list[_Bounds]]:
    """By process the parts that it is to send, each part by the first that has it."""
    holders: dict[_Bounds, int] = {}
    for device, index in array.sharding.devices_indices_map(array.shape).items():
        bounds, process = _bounds(array, index or ()), device.process_index
        if process <= holders.get(bounds, process):
            holders[bounds] = process
    places: dict[int, list[_Bounds]] = {}
    for bounds in sorted(holders):
        places.setdefault(holders[bounds], []).append(bounds)
    return places


def _bounds(array: jax.Array, index: tuple[slice, ...]) -> _Bounds:
    """Where a part begins and ends along every axis."""
    pairs = zip(index, array.shape, strict=True)
    return tuple(part.indices(length)[:2] for part, length in pairs)
