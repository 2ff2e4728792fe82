"""Trips of a loop, by itself and mapped over lanes, and where their rows go.

Under `jax.vmap` JAX's own rule (0.10.2 to 0.12.0.1) puts the lanes first in all that a
while loop carries. Every trip then writes one number to a line of memory of its own for
every lane, and where the rows of a lane take a power of two of bytes these lines evict
each other from the cache: 4,096 epochs took three times as long as 5,000. So a mapped
loop collects some rows with the time first, where the numbers of all lanes lie side by
side, and writes them out lanes first when there are enough.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Int, PyTree

from funclearn.training._lanes import axes_of, settled

__all__ = ["Trips", "make_trips"]

_LINE = 64  # bytes; a row as long as that fills lines of its own
_PART = 2**15  # bytes, about a cache of the first level
_LONGEST_PART = 64  # trips; the scalars of 128 lanes just fit in there
_SHORTEST_PART = 8  # trips; below, the loop around the parts costs more than it saves

_State: TypeAlias = tuple[Int[Array, ""], PyTree, PyTree]
"""The number of the trip, what is carried, and rows."""


class Trips(NamedTuple):
    """What is to be done over and over.

    Attributes:
        one: `(captured, carry) -> (carry, row)`.
        goes_on: `(captured, carry) -> bool`, one for all lanes; None always does.
        row: the types of a row.
        blank: `(row, length) -> rows`, those of trips that are not made.
        length: the largest number of trips.
        lanes: how many lanes it has been mapped over, axis by axis.
    """

    one: Callable[[PyTree, PyTree], tuple[PyTree, PyTree]]
    goes_on: Callable[[PyTree, PyTree], Bool[Array, ""]] | None
    row: PyTree
    blank: Callable[[PyTree, int], PyTree]
    length: int
    lanes: tuple[int, ...] = ()


def make_trips(
    trips: Trips, number: ArrayLike, captured: PyTree, carry: PyTree
) -> tuple[PyTree, PyTree]:
    """Makes them in a while loop.

    Args:
        trips: what to do.
        number: how many to make, at most as many as there are; one for all lanes.
        captured: what it needs and does not change.
        carry: where to start.

    Returns:
        The last carry, and the rows, along an axis that comes after those of the lanes.
    """

    @jax.custom_batching.custom_vmap
    def loop(
        number: ArrayLike, captured: PyTree, carry: PyTree
    ) -> tuple[PyTree, PyTree]:
        part = _part(trips)
        if part < trips.length:
            return _in_parts(trips, part, number, captured, carry)
        return _one_by_one(trips, number, captured, carry)

    @loop.def_vmap
    def mapped(
        size: int,
        batched: list[PyTree],
        number: ArrayLike,
        captured: PyTree,
        carry: PyTree,
    ) -> tuple[PyTree, PyTree]:
        _, of_captured, of_carry = batched
        carry, of_carry, row = settled(
            trips.one, size, [of_captured, of_carry], captured, carry
        )
        vmap = functools.partial(
            jax.vmap, in_axes=(axes_of(of_captured), axes_of(of_carry)), axis_size=size
        )
        lanes = trips._replace(
            one=vmap(trips.one, out_axes=(axes_of(of_carry), 0)),
            goes_on=trips.goes_on and vmap(trips.goes_on, out_axes=None),
            row=row,
            lanes=(size, *trips.lanes),
        )
        results = make_trips(lanes, number, captured, carry)
        return results, (of_carry, jax.tree.map(lambda _: True, row))

    return loop(number, captured, carry)


def _part(trips: Trips) -> int:
    """Of how many trips to collect the rows; of all where it would not pay."""
    leaves = jax.tree.leaves(trips.row)
    n_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    of_a_lane = n_bytes // math.prod(trips.lanes)
    # Elsewhere the caches are larger, and every loop costs the host a round trip.
    on_cpu = jax.default_backend() == "cpu"
    if not (trips.lanes and on_cpu and 0 < of_a_lane < _LINE):
        return trips.length
    return min(max(_PART // n_bytes, _SHORTEST_PART), _LONGEST_PART)


def _one_by_one(
    trips: Trips, number: ArrayLike, captured: PyTree, carry: PyTree
) -> tuple[PyTree, PyTree]:
    first, end = _hidden(trips, 0, number)
    rows = _lanes_first(trips, trips.blank(trips.row, trips.length))

    def write(rows: Array, row: Array, trip: Int[Array, ""]) -> Array:
        axis = len(trips.lanes)
        return jax.lax.dynamic_update_index_in_dim(rows, row, trip, axis)

    return _loop(trips, captured, write, (first, carry, rows), end)[1:]


def _in_parts(
    trips: Trips, part: int, number: ArrayLike, captured: PyTree, carry: PyTree
) -> tuple[PyTree, PyTree]:
    first, size, end = _hidden(trips, 0, part, number)
    rows = _lanes_first(trips, trips.blank(trips.row, trips.length))

    def goes_on(state: _State) -> Bool[Array, ""]:
        return _goes_on(trips, captured, state, end)

    def one_part(state: _State) -> _State:
        start, carry, rows = state
        # The short part comes first, so that none reaches beyond the rows.
        stop = end - jax.lax.div(end - 1 - start, size) * size

        def write(rows: Array, row: Array, trip: Int[Array, ""]) -> Array:
            return jax.lax.dynamic_update_index_in_dim(rows, row, trip - start, 0)

        def join(rows: Array, new: Array) -> Array:
            axis = len(trips.lanes)
            return jax.lax.dynamic_update_slice_in_dim(rows, new, start, axis)

        begin = start, carry, trips.blank(trips.row, part)
        trip, carry, new = _loop(trips, captured, write, begin, stop)
        return trip, carry, jax.tree.map(join, rows, _lanes_first(trips, new))

    return jax.lax.while_loop(goes_on, one_part, (first, carry, rows))[1:]


def _loop(
    trips: Trips,
    captured: PyTree,
    write: Callable[[Array, Array, Int[Array, ""]], Array],
    state: _State,
    end: Int[Array, ""],
) -> _State:
    """Makes trips until `end` and writes down their rows."""

    def goes_on(state: _State) -> Bool[Array, ""]:
        return _goes_on(trips, captured, state, end)

    def trip(state: _State) -> _State:
        number, carry, rows = state
        carry, row = trips.one(captured, carry)
        rows = jax.tree.map(lambda rows, row: write(rows, row, number), rows, row)
        return number + 1, carry, rows

    return jax.lax.while_loop(goes_on, trip, state)


def _goes_on(
    trips: Trips, captured: PyTree, state: _State, end: Int[Array, ""]
) -> Bool[Array, ""]:
    left = state[0] < end
    if trips.goes_on is None:
        return left
    return left & trips.goes_on(captured, state[1])


def _lanes_first(trips: Trips, rows: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, len(trips.lanes)), rows)


def _hidden(trips: Trips, *numbers: ArrayLike) -> list[Int[Array, ""]]:
    """Numbers of trips, where need be hidden from XLA."""
    known = [jnp.int32(number) for number in numbers]
    # Any XLA would unroll a single trip. Others need not wait for the condition of a
    # loop whose trips they can count.
    if trips.length == 1 or jax.default_backend() == "cpu":
        return list(jax.lax.optimization_barrier(known))
    return known
