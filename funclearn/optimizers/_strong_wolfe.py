"""A line search for the strong Wolfe conditions, step for step as PyTorch has it.

Along a direction of descent the step has to lower the function enough, and to flatten
the slope enough:

    f(t) <= f(0) + c1 t f'(0)   and   |f'(t)| <= c2 |f'(0)|

The search first extends the step until an interval is known that has such a step in it
(bracketing), and then narrows the interval (zooming); trial steps are the minima of
cubic polynomials through the values and slopes at its ends. PyTorch has one loop for
each phase; here both are phases of one loop that evaluates the function once a turn, so
that lanes of `jax.vmap` that are in different phases share their evaluations, and the
function is compiled once.

References:
    `_strong_wolfe` and `_cubic_interpolate` in torch/optim/lbfgs.py (PyTorch 2.13);
    Nocedal and Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6, and
    equation 3.59.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from funclearn._types import Scalar

__all__ = ["Point", "strong_wolfe"]

_LOWERED = 1e-4
_FLATTENED = 0.9
# PyTorch's search has this number, whatever `tolerance_change` it is called with.
_SHORTEST = 1e-9
_FURTHEST = 10
_NEAREST = 0.01
_MARGIN = 0.1

_Flag = Bool[Array, ""]


class Point(NamedTuple):
    """The function along the direction.

    Attributes:
        at: the step.
        value: the function there.
        gradient: its gradient by all parameters.
        slope: its derivative along the direction.
    """

    at: Scalar
    value: Scalar
    gradient: Float[Array, " n"]
    slope: Scalar


class _Search(NamedTuple):
    """What the loop carries.

    Attributes:
        low: while zooming the end of the interval that has the lower value, the result
            in the end; while bracketing the point before.
        high: the other end.
        low_is_first: whether `low` is the first in PyTorch's list of the two, which
            decides between equal values.
        at: the step to be tried next.
        evaluations: how many were made.
        zooming: the phase.
        finished: whether `low` is the result.
        cramped: whether the last trial step lay close to an end.
    """

    low: Point
    high: Point
    low_is_first: _Flag
    at: Scalar
    evaluations: Int[Array, ""]
    zooming: _Flag
    finished: _Flag
    cramped: _Flag


def strong_wolfe(
    evaluate: Callable[[Scalar], Point],
    start: Point,
    at: Scalar,
    size: Scalar,
    turns: Int[Array, ""],
) -> tuple[Point, Int[Array, ""]]:
    """Searches for a step that satisfies the strong Wolfe conditions.

    Args:
        evaluate: makes the point of a step.
        start: the point of step 0.
        at: the first step to try.
        size: the largest component of the direction, by absolute value.
        turns: how many evaluations may follow the first one.

    Returns:
        The point with the step, and how many evaluations were made.
    """
    no = jnp.zeros((), bool)
    search = _Search(
        start, start, ~no, at, jnp.zeros((), jnp.int32), no, finished=no, cramped=no
    )

    def turn(search: _Search) -> _Search:
        new = evaluate(search.at)
        last = search.evaluations >= turns
        bracketed = _bracketed(search, start, new, last)
        zoomed = _zoomed(search, start, new, last)
        after = _where(search.zooming, zoomed, bracketed)
        after = after._replace(evaluations=search.evaluations + 1)
        width = jnp.abs(after.high.at - after.low.at) * size
        small = after.zooming & (width < _SHORTEST)
        after = after._replace(finished=after.finished | small)
        return _where(after.zooming & ~after.finished, _narrowed(after), after)

    search = jax.lax.while_loop(lambda search: ~search.finished, turn, search)
    return search.low, search.evaluations


def _bracketed(search: _Search, start: Point, new: Point, last: _Flag) -> _Search:
    """Looks whether the last step and this one enclose a good one."""
    before = search.low
    risen = (search.evaluations > 1) & (new.value >= before.value)
    risen |= new.value > _armijo(start, new.at)
    good = ~risen & ~last & _flat(start, new)
    between = (risen | (new.slope >= 0)) & ~good & ~last
    # Where all turns are used up, the better of step 0 and the last one is the result.
    first = _where(last, start, before)
    ordered = first.value <= new.value
    low = _where(ordered & ~good, first, new)
    high = _where(ordered & ~good, new, first)
    finished = good | last
    step = _cubic_minimum(
        before,
        new,
        new.at + _NEAREST * (new.at - before.at),
        new.at * _FURTHEST,
    )
    extended = search._replace(low=new, at=step)
    enclosed = search._replace(
        low=low,
        high=high,
        low_is_first=ordered,
        zooming=between,
        finished=finished,
    )
    return _where(between | finished, enclosed, extended)


def _zoomed(search: _Search, start: Point, new: Point, last: _Flag) -> _Search:
    """Puts the new point in the place of one end of the interval."""
    low, high = search.low, search.high
    worse = (new.value > _armijo(start, new.at)) | (new.value >= low.value)
    good = ~worse & _flat(start, new)
    turned = ~worse & ~good & (new.slope * (high.at - low.at) >= 0)
    first, second = low.value <= new.value, new.value <= low.value
    lower = worse & jnp.where(search.low_is_first, ~first, second)
    replaced = ~worse | lower
    return search._replace(
        low=_where(replaced, new, low),
        high=_where(turned | lower, low, _where(worse, new, high)),
        low_is_first=search.low_is_first ^ lower,
        finished=good | last,
    )


def _narrowed(search: _Search) -> _Search:
    """Chooses the next step in the interval, not too close to its ends twice."""
    ends = search.low.at, search.high.at
    least, most = jnp.minimum(*ends), jnp.maximum(*ends)
    at = _cubic_minimum(search.low, search.high, least, most)
    margin = _MARGIN * (most - least)
    close = jnp.minimum(most - at, at - least) < margin
    moved = close & (search.cramped | (at >= most) | (at <= least))
    inside = jnp.where(
        jnp.abs(at - most) < jnp.abs(at - least), most - margin, least + margin
    )
    return search._replace(at=jnp.where(moved, inside, at), cramped=close & ~moved)


def _armijo(start: Point, at: Scalar) -> Scalar:
    return start.value + _LOWERED * at * start.slope


def _flat(start: Point, new: Point) -> _Flag:
    return jnp.abs(new.slope) <= -_FLATTENED * start.slope


def _cubic_minimum(one: Point, other: Point, least: Scalar, most: Scalar) -> Scalar:
    """The minimum of the cubic through two points, within bounds; else their middle."""
    first, second = _where(one.at <= other.at, (one, other), (other, one))
    secant = (first.value - second.value) / (first.at - second.at)
    curved = first.slope + second.slope - 3 * secant
    squared = curved**2 - first.slope * second.slope
    positive = squared > 0  # the root has no derivative at 0
    root = jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1)), 0)
    share = (second.slope + root - curved) / (second.slope - first.slope + 2 * root)
    lowest = second.at - (second.at - first.at) * share
    # As Python's max and min, which let a NaN that comes first through.
    lowest = jnp.where(least > lowest, least, lowest)
    lowest = jnp.where(most < lowest, most, lowest)
    return jnp.where(squared >= 0, lowest, (least + most) / 2)


def _where(condition: _Flag, yes: PyTree, no: PyTree) -> PyTree:
    return jax.tree.map(lambda one, other: jnp.where(condition, one, other), yes, no)
