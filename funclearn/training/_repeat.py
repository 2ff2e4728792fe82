"""A loop whose bits do not depend on where or why it is cut.

It is a while loop where it is evaluated, which stops as soon as nothing is left to do.
That has no reverse mode; where it is differentiated it is a scan.

XLA (jaxlib 0.10.2 to 0.12.0.1) unrolls a loop of a single trip and then rounds as it
would without a loop, so that two runs of one epoch would not be one of two. It is kept
from seeing how many trips there are. Were that to fail, the tests that cut runs after
every epoch would (`test_a_run_may_be_cut_anywhere_without_changing_a_bit`).
"""

import functools
import operator
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, PyTree

from funclearn._jaxprs import filled, hoisted
from funclearn._programs import debugging
from funclearn.training._lanes import Choose, any_lane, choose_lanes, select, where
from funclearn.training._missing import missing
from funclearn.training._trips import Trips, make_trips
from funclearn.training._varying import vary_as

__all__ = ["Body", "blank_row", "blank_rows", "repeat"]

Body: TypeAlias = Callable[[PyTree], tuple[PyTree, PyTree]]
"""`state -> (state, row)`."""


class _Loop(NamedTuple):
    """What is to be repeated.

    Attributes:
        body: one trip.
        row: the types of its row.
        changes: by leaf of the state, whether it ever changes.
        length: the largest number of trips.
        running: as for `repeat`.
        finite: whether rows of trips that are not made must be (`missing`).
    """

    body: Body
    row: PyTree
    changes: list[bool]
    length: int
    running: Callable[[PyTree], Bool[Array, ""]] | None
    finite: bool


class _Carry(NamedTuple):
    state: PyTree
    last: PyTree


def repeat(
    body: Body,
    state: PyTree,
    length: int,
    running: Callable[[PyTree], Bool[Array, ""]] | None = None,
    number: ArrayLike | None = None,
) -> tuple[PyTree, PyTree, PyTree]:
    """Applies `body(state) -> (state, row)` over and over and stacks the rows.

    Args:
        body: one trip.
        state: where to start.
        length: the largest number of trips.
        running: `running(state)` tells whether to make another trip; None always does.
        number: how many trips to make, known only when they are made; then there are
            no derivatives. None makes all.

    Returns:
        The last state, the last row, and the rows along a new axis 0 of the given
        length; rows of trips that were not made are NaN in floating leaves and zero in
        others.
    """
    state, row, call, captured, changes = _varied(body, state)
    # Mapping rules are run with `jax_debug_nans` off: it is asked for here.
    finite, _ = debugging()
    blank = functools.partial(blank_rows, finite=finite)
    start = _Carry(state, blank_row(row, finite))
    if length == 0:
        return *start, blank(row, 0)

    def settings(captured: list[PyTree]) -> _Loop:
        return _Loop(lambda x: call(captured, x), row, changes, length, running, finite)

    def one(captured: list[PyTree], carry: _Carry) -> tuple[_Carry, PyTree]:
        return _trip(settings(captured), carry)

    goes_on = running and functools.partial(_goes_on, running)
    loop = functools.partial(make_trips, Trips(one, goes_on, row, blank, length))

    @jax.custom_jvp
    def whole(start: _Carry, captured: list[PyTree]) -> tuple[_Carry, PyTree]:
        return loop(jnp.int32(length), captured, start)

    @whole.defjvp
    def whole_jvp(primals: PyTree, tangents: PyTree) -> tuple[PyTree, PyTree]:
        def scan(start: _Carry, captured: list[PyTree]) -> tuple[_Carry, PyTree]:
            return _scan(settings(captured), start)

        return jax.jvp(scan, primals, tangents)

    if number is None:
        carry, rows = whole(start, captured)
    else:
        carry, rows = loop(number, captured, start)
    return *carry, rows


def _varied(body: Body, state: PyTree) -> tuple[PyTree, ...]:
    """The state, varying over devices as a trip leaves it.

    Returns:
        That, and of `_closed` the types of a row, the call, what the body closed over
        and the changes.
    """
    while True:
        call, captured, (after, row), changes = _closed(body, state)
        varied = jax.tree.map(vary_as, state, after)
        # What comes to vary in one trip may make more vary in the next.
        if all(map(operator.is_, *map(jax.tree.leaves, (state, varied)))):
            return state, row, call, captured, changes
        state = varied


def _closed(
    body: Body, state: PyTree
) -> tuple[Callable[..., PyTree], list[PyTree], PyTree, PyTree]:
    """Takes a body apart.

    Returns:
        `(captured, state) -> (state, row)`, what the body closed over, the types of
        what it returns, and by leaf of the state whether the body changes it.
    """
    call, captured, types, jaxpr = hoisted(body, state)
    pairs = zip(jaxpr.invars, jaxpr.outvars, strict=False)
    return call, captured, types, [given is not got for given, got in pairs]


def _scan(loop: _Loop, start: _Carry) -> tuple[_Carry, PyTree]:
    def one(carry: _Carry) -> tuple[_Carry, PyTree]:
        if loop.running is None:
            return _always(loop, carry)
        active = loop.running(carry.state)

        def advance(carry: _Carry) -> tuple[_Carry, PyTree]:
            # A lane that is done goes over its first trip again, whose derivatives are
            # finite: from its last one a NaN would get into all others.
            again = select(where, active, loop.changes, carry.state, start.state)
            return _unless_done(where, active, loop, loop.body(again), carry)

        def stay(carry: _Carry) -> tuple[_Carry, PyTree]:
            return carry, blank_row(loop.row, loop.finite)

        return jax.lax.cond(any_lane(active), advance, stay, carry)

    carry, rows = jax.lax.scan(lambda x, _: one(x), start, length=loop.length)
    return carry, jax.tree.map(_lanes_first, rows)


def _lanes_first(rows: Array) -> Array:
    """Changes nothing, but puts the lanes of a mapped scan in front.

    There a while loop has them, and what stands for its derivatives must have them too.
    """
    return jax.lax.concatenate([rows, rows[:0]], 0)


def _goes_on(
    running: Callable[[PyTree], Bool[Array, ""]], _: list[PyTree], carry: _Carry
) -> Bool[Array, ""]:
    return any_lane(running(carry.state))


def _trip(loop: _Loop, carry: _Carry) -> tuple[_Carry, PyTree]:
    if loop.running is None:
        return _always(loop, carry)
    active = loop.running(carry.state)
    return _unless_done(choose_lanes, active, loop, loop.body(carry.state), carry)


def _always(loop: _Loop, carry: _Carry) -> tuple[_Carry, PyTree]:
    state, row = loop.body(carry.state)
    return _Carry(state, row), row


def _unless_done(
    choose: Choose,
    active: Bool[Array, ""],
    loop: _Loop,
    result: tuple[PyTree, PyTree],
    carry: _Carry,
) -> tuple[_Carry, PyTree]:
    """Holds back lanes, in both loops with as many results mapped."""
    new, row = result
    state = select(choose, active, loop.changes, new, carry.state)
    last = choose(active, row, carry.last)
    return _Carry(state, last), choose(active, row, blank_row(loop.row, loop.finite))


def blank_row(row: PyTree, finite: bool | None = None) -> PyTree:
    """A row of an epoch that never ran: NaN in floating leaves and zero in others.

    Args:
        row: the types of its leaves.
        finite: as for `missing`.
    """

    def blank(leaf: PyTree) -> Array:
        return filled(leaf, missing(leaf.dtype, finite))

    return jax.tree.map(blank, row)


def blank_rows(row: PyTree, length: int, finite: bool | None = None) -> PyTree:
    """A number of blank rows like `row`, along a new axis 0."""
    return jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (length, *leaf.shape)),
        blank_row(row, finite),
    )
