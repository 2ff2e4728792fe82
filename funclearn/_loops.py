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
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from funclearn import _xla
from funclearn._jaxprs import eval_jaxpr, marked, split_constants

__all__ = ["as_unit", "blank_row", "blank_rows", "repeat"]

_PARTS = 8  # of the lanes, to be compared with each other as whole vectors

Body = Callable[[Any], tuple[Any, Any]]


def as_unit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keeps XLA on a CPU from mixing a function's operations with those around it.

    A unit has the same bits wherever it is called, as long as it returns the same; what
    it was given, and what it returns a second time, does not count.
    """
    if not _xla.may_keep_apart():
        return function

    @functools.wraps(function)
    def unit(*arguments: Any) -> Any:
        given, structure = jax.tree.flatten(arguments)
        result_structure: Any = None
        places: list[int] = []

        def distinct(given: list[Any]) -> list[Any]:
            nonlocal result_structure
            results = function(*jax.tree.unflatten(structure, given))
            leaves, result_structure = jax.tree.flatten(results)
            place = {id(x): number for number, x in enumerate(given)}
            new = []
            for leaf in leaves:
                if id(leaf) not in place:
                    place[id(leaf)] = len(given) + len(new)
                    new.append(leaf)
            places[:] = [place[id(leaf)] for leaf in leaves]
            return new

        values = [*given, *marked(distinct, _xla.APART)(given)]
        return jax.tree.unflatten(result_structure, [values[x] for x in places])

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
    call, captured, types, changes = _closed(body, state)
    state, row = jax.tree.map(_vary_as, state, types[0]), types[1]
    if length == 0:
        return state, blank_rows(row, 0)

    def settings(captured: list[Any]) -> _Loop:
        return _Loop(lambda x: call(captured, x), row, changes, length, running)

    @jax.custom_jvp
    def loop(state: Any, captured: list[Any]) -> tuple[Any, Any]:
        return _while(settings(captured), state)

    @loop.defjvp
    def loop_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
        def scan(state: Any, captured: list[Any]) -> tuple[Any, Any]:
            return _scan(settings(captured), state)

        return jax.jvp(scan, primals, tangents)

    return loop(state, captured)


class _Loop(NamedTuple):
    """What is to be repeated.

    Attributes:
        body: one trip.
        row: the types of its row.
        changes: by leaf of the state, whether it ever changes.
        length: the largest number of trips.
        running: as for `repeat`.
    """

    body: Body
    row: Any
    changes: list[bool]
    length: int
    running: Callable[[Any], Bool[Array, ""]] | None


def _closed(body: Body, state: Any) -> tuple[Callable[..., Any], list[Any], Any, Any]:
    """Takes a body apart.

    What is mapped or differentiated must be an argument, not in a closure.

    Returns:
        `(captured, state) -> (state, row)`, what the body closed over, the types of
        what it returns, and by leaf of the state whether the body changes it.
    """
    closed, shapes = jax.make_jaxpr(body, return_shape=True)(state)
    structure = jax.tree.structure(shapes)
    jaxpr, captured = split_constants(closed)

    def call(captured: list[Any], state: Any) -> tuple[Any, Any]:
        results = eval_jaxpr(jaxpr, (), *captured, *jax.tree.leaves(state))
        return jax.tree.unflatten(structure, results)

    types = jax.tree.unflatten(structure, closed.out_avals)
    pairs = zip(closed.jaxpr.invars, closed.jaxpr.outvars, strict=False)
    return call, captured, types, [given is not got for given, got in pairs]


def _vary_as(value: Any, like: Any) -> Any:
    """Inside `jax.shard_map`, has a value vary over the devices as another does."""
    one, other = (
        getattr(getattr(x, "manual_axis_type", None), "varying", frozenset())
        for x in (jax.typeof(value), like)
    )
    return (
        jax.lax.pcast(value, tuple(other - one), to="varying") if other - one else value
    )


def _scan(loop: _Loop, start: Any) -> tuple[Any, Any]:
    def one(state: Any) -> tuple[Any, Any]:
        if loop.running is None:
            return loop.body(state)
        active = loop.running(state)

        def advance(state: Any) -> tuple[Any, Any]:
            # A lane that is done goes over its first trip again, whose derivatives are
            # finite: from its last one a NaN would get into all others.
            again = _select(_where, active, loop.changes, state, start)
            return _unless_done(_where, active, loop, loop.body(again), state)

        def stay(state: Any) -> tuple[Any, Any]:
            return state, blank_row(loop.row)

        return jax.lax.cond(_any_lane(active), advance, stay, state)

    state, rows = jax.lax.scan(lambda x, _: one(x), start, length=loop.length)
    return state, jax.tree.map(_lanes_first, rows)


def _lanes_first(rows: Array) -> Array:
    """Changes nothing, but puts the lanes of a mapped scan in front.

    There a while loop has them, and what stands for its derivatives must have them too.
    """
    return jax.lax.concatenate([rows, rows[:0]], 0)


def _while(loop: _Loop, start: Any) -> tuple[Any, Any]:
    bounds = jnp.int32(0), jnp.int32(loop.length)
    # Any XLA would unroll a single trip. Others need not wait for the condition of a
    # loop whose trips they can count.
    if loop.length == 1 or jax.default_backend() == "cpu":
        bounds = jax.lax.optimization_barrier(bounds)
    first, end = bounds

    def goes_on(carry: tuple[Any, Any, Any]) -> Bool[Array, ""]:
        left = carry[0] < end
        if loop.running is None:
            return left
        return left & _any_lane(loop.running(carry[1]))

    def one(state: Any) -> tuple[Any, Any]:
        result = loop.body(state)
        if loop.running is None:
            return result
        return _unless_done(_choose, loop.running(state), loop, result, state)

    def trip(carry: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        trips, state, rows = carry
        state, row = one(state)
        rows = jax.tree.map(lambda buffer, x: buffer.at[trips].set(x), rows, row)
        return trips + 1, state, rows

    carry = first, start, blank_rows(loop.row, loop.length)
    return jax.lax.while_loop(goes_on, trip, carry)[1:]


def _unless_done(
    choose: Any, active: Any, loop: _Loop, result: tuple[Any, Any], state: Any
) -> tuple[Any, Any]:
    """Holds back lanes, in both loops with as many results mapped."""
    new, row = result
    kept = _select(choose, active, loop.changes, new, state)
    return kept, choose(active, row, blank_row(loop.row))


def _select(choose: Any, active: Any, which: list[bool], new: Any, old: Any) -> Any:
    """Chooses among some leaves; the others are the same in both."""
    leaves, structure = jax.tree.flatten(new)
    before = jax.tree.leaves(old)
    pairs = [list(itertools.compress(x, which)) for x in (leaves, before)]
    chosen = iter(choose(active, *pairs))
    leaves = [next(chosen) if x else y for x, y in zip(which, before, strict=True)]
    return jax.tree.unflatten(structure, leaves)


def blank_row(row: Any) -> Any:
    """A row of an epoch that never ran: NaN in floating leaves and zero in others."""

    def blank(leaf: Any) -> Array:
        floating = jnp.issubdtype(leaf.dtype, jnp.inexact)
        full = jnp.full(leaf.shape, jnp.nan if floating else 0, leaf.dtype)
        return _vary_as(full, leaf)

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
    # In two steps: the compiler takes whole vectors in the first alone.
    if axis_size % _PARTS == 0:
        parts = jnp.any(running.reshape(_PARTS, -1), axis=0)
        running = jax.lax.optimization_barrier(parts)
    return _any_lane(jnp.any(running)), False


def _where(active: Bool[Array, ""], new: Any, old: Any) -> Any:
    return jax.tree.map(functools.partial(jnp.where, active), new, old)


@jax.custom_batching.custom_vmap
def _choose(active: Bool[Array, ""], new: Any, old: Any) -> Any:
    # Where there is but one lane, the loop runs only while it is active.
    del active, old
    return new


@_choose.def_vmap
def _choose_vmap(
    axis_size: int, batched: Any, active: Any, new: Any, old: Any
) -> tuple[Any, Any]:
    # As `jnp.where` and `jax.lax.cond` map, so that both loops do alike.
    chosen = jax.tree.map(lambda *mapped: batched[0] or any(mapped), *batched[1:])
    select = jax.vmap(
        _where,
        in_axes=_axes(tuple(batched)),
        out_axes=_axes(chosen),
        axis_size=axis_size,
    )
    return select(active, new, old), chosen


def _axes(batched: Any) -> Any:
    return jax.tree.map(lambda mapped: 0 if mapped else None, batched)
