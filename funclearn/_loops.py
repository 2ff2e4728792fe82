"""The loop over epochs, whose bits do not depend on where or why a run is cut.

XLA on a CPU merges all that a small loop computes into one function, and there rounds a
product before adding it or not, depending on what stands between the two. So it is kept
from seeing two things: what goes on around an epoch, which `as_unit` hides, and how
many there are.

A loop is a while loop where it is evaluated, which stops as soon as nothing is left to
do. That has no reverse mode; where it is differentiated it is a scan.

Under `jax.vmap` a while loop with a condition of its own in every lane would copy the
whole history at every trip to hold back the lanes that are done. Here the loop goes on
while any lane does, and lanes that are done keep their state, which is small.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array, Bool

__all__ = ["as_unit", "blank_row", "blank_rows", "repeat"]

_PARTS = 8  # lanes that share the bits of a vector are at least this far apart

Body = Callable[[Any], tuple[Any, Any]]


def as_unit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keeps XLA on a CPU from mixing a function's operations with those around it.

    A unit has the same bits wherever it is called, as long as it returns the same; what
    it was given, and what it returns a second time, does not count.
    """
    if jax.default_backend() != "cpu":
        return function

    @functools.wraps(function)
    def unit(*arguments: Any) -> Any:
        given, structure = jax.tree.flatten(arguments)
        results: Any = None

        def distinct(given: list[Any]) -> list[Any]:
            nonlocal results
            results = function(*jax.tree.unflatten(structure, given))
            returned = {id(x): x for x in jax.tree.leaves(results)}
            known = {id(x) for x in given}
            new = [x for x in returned if x not in known]
            order = [*map(id, given), *new]
            results = jax.tree.map(lambda x: order.index(id(x)), results)
            return [returned[x] for x in new]

        with set_xla_metadata(inlineable="false"):
            values = [*given, *jax.jit(distinct)(given)]
        return jax.tree.map(values.__getitem__, results)

    return unit


def repeat(
    body: Body,
    state: Any,
    length: int,
    running: Callable[[Any], Bool[Array, ""]] | None = None,
) -> tuple[Any, Any]:
    """Applies `body(state) -> (state, row)` over and over and stacks the rows.

    Args:
        body: one trip.
        state: where to start.
        length: the largest number of trips.
        running: `running(state)` tells whether to make another trip; None always does.

    Returns:
        The last state, and the rows along a new axis 0 of the given length; rows of
        trips that were not made are NaN in floating leaves and zero in others.
    """
    if length == 0:
        return state, blank_rows(jax.eval_shape(body, state)[1], 0)
    # What is differentiated with respect to must be an argument, not in a closure.
    body, captured = jax.closure_convert(body, state)

    @jax.custom_jvp
    def loop(state: Any, captured: list[Any]) -> tuple[Any, Any]:
        return _while(lambda state: body(state, *captured), state, length, running)

    @loop.defjvp
    def loop_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
        def scan(state: Any, captured: list[Any]) -> tuple[Any, Any]:
            return _scan(lambda state: body(state, *captured), state, length, running)

        return jax.jvp(scan, primals, tangents)

    return loop(state, captured)


def _scan(body: Body, state: Any, length: int, running: Any) -> tuple[Any, Any]:
    if running is None:
        return jax.lax.scan(lambda state, _: body(state), state, length=length)
    blank = blank_row(jax.eval_shape(body, state)[1])

    def trip(state: Any, _: None) -> tuple[Any, Any]:
        return jax.lax.cond(running(state), body, lambda state: (state, blank), state)

    return jax.lax.scan(trip, state, length=length)


def _while(body: Body, state: Any, length: int, running: Any) -> tuple[Any, Any]:
    blank = blank_row(jax.eval_shape(body, state)[1])
    rows = blank_rows(blank, length)
    bounds = jnp.int32(0), jnp.int32(length)
    # Any XLA would unroll a single trip. Others need not wait for the condition of a
    # loop whose trips they can count.
    if length == 1 or jax.default_backend() == "cpu":
        bounds = jax.lax.optimization_barrier(bounds)
    start, end = bounds

    def goes_on(carry: tuple[Any, Any, Any]) -> Bool[Array, ""]:
        trips, state, _ = carry
        left = trips < end
        return left if running is None else left & _any_lane(running(state))

    def trip(carry: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        trips, state, rows = carry
        result = body(state)
        if running is not None:
            result = _choose(running(state), result, (state, blank))
        state, row = result
        # Written into a buffer, as a scan does: the body must fuse as there.
        rows = jax.tree.map(lambda buffer, x: buffer.at[trips].set(x), rows, row)
        return trips + 1, state, rows

    _, state, rows = jax.lax.while_loop(goes_on, trip, (start, state, rows))
    return state, rows


def blank_row(row: Any) -> Any:
    """A row of an epoch that never ran: NaN in floating leaves and zero in others."""

    def blank(leaf: Any) -> Array:
        floating = jnp.issubdtype(leaf.dtype, jnp.inexact)
        return jnp.full(leaf.shape, jnp.nan if floating else 0, leaf.dtype)

    return jax.tree.map(blank, row)


def blank_rows(row: Any, length: int) -> Any:
    """A number of blank rows like `row`, along a new axis 0."""
    return jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (length, *leaf.shape)), blank_row(row)
    )


@jax.custom_batching.custom_vmap
def _any_lane(running: Bool[Array, ""]) -> Bool[Array, ""]:
    return running


@_any_lane.def_vmap
def _any_lane_vmap(axis_size: int, batched: Any, running: Any) -> tuple[Any, bool]:
    del batched
    # In two steps, the first of which takes whole vectors at a time.
    if axis_size % _PARTS == 0:
        parts = jnp.any(running.reshape(_PARTS, -1), axis=0)
        running = jax.lax.optimization_barrier(parts)
    return _any_lane(jnp.any(running)), False


@jax.custom_batching.custom_vmap
def _choose(active: Bool[Array, ""], new: Any, old: Any) -> Any:
    # Where there is but one lane, the loop runs only while it is active.
    del active, old
    return new


@_choose.def_vmap
def _choose_vmap(
    axis_size: int, batched: Any, active: Any, new: Any, old: Any
) -> tuple[Any, Any]:
    select = jax.vmap(
        lambda active, new, old: jax.tree.map(
            functools.partial(jnp.where, active), new, old
        ),
        in_axes=jax.tree.map(lambda axis: 0 if axis else None, tuple(batched)),
        axis_size=axis_size,
    )
    return select(active, new, old), jax.tree.map(lambda _: True, batched[1])
