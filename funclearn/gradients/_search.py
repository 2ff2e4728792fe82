"""The search for the steps at which a function shows its derivative.

The size of a coordinate need not be the scale on which the function changes along it:
a zero among large numbers says nothing of it. The function itself does. Where its
slopes have not settled, smaller steps are taken; where they have, but noise hides
them, larger ones. Smaller ones are taken as well where a gradient under test says of
a coordinate without a scale what the differences have not seen.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from funclearn.gradients._differences import SAFETY, Differences
from funclearn.gradients._findings import Tested
from funclearn.gradients._problem import Function, Problem
from funclearn.gradients._sampling import Value, finite_differences
from funclearn.gradients._stencil import RATIO, STEPS

__all__ = ["Doubts", "doubts_of", "refined"]

# Three times twelve steps are a factor of 4**36 = 5e21, more than lies between any two
# units in use.
_ROUNDS = 3

# Steps have to keep some bits in a sum with the coordinate, of 52.
_RESOLVED = 2.0**-50


class Doubts(NamedTuple):
    """Which coordinates have to be sampled again.

    Attributes:
        undecided: whether the differences there are too rough for a verdict.
        visible: the step from which on noise does not hide what a gradient under test
            says and the differences do not; infinite where nothing is looked for.
    """

    undecided: np.ndarray
    visible: np.ndarray


class _Steps(NamedTuple):
    """The steps that were taken, and whether smaller (-1) or larger (1) ones came."""

    smallest: np.ndarray
    largest: np.ndarray
    trend: np.ndarray


def doubts_of(
    tested: Sequence[Tested],
    differences: Differences,
    value: Value,
    point: np.ndarray,
    allowed: np.ndarray,
) -> Doubts:
    """What a verdict leaves open.

    Args:
        tested: the gradients under test.
        differences: what they were compared with.
        value: of the objective at the point.
        point: the coordinates.
        allowed: how far off a difference may be that contradicts a gradient.
    """
    undecided, gaps = np.zeros(point.shape, bool), np.zeros(point.shape)
    for gradient in tested:
        gap = np.abs(gradient.values - differences.values)
        gap = np.where(gradient.disagrees & np.isfinite(gap), gap, 0.0)
        gaps = np.maximum(gaps, gap)
        is_rough = SAFETY * differences.truncation > allowed
        undecided |= ~gradient.decided | (gradient.disagrees & is_rough)
    noise = max(value.spread, np.finfo(float).eps * abs(value.value))
    # A kink may be a bend that the steps were too large for.
    gaps = np.where(point == 0, np.maximum(gaps, differences.kinks), gaps)
    has_no_scale = (point == 0) | (differences.changes == 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        visible = np.where(has_no_scale & (gaps > 0), SAFETY * noise / gaps, np.inf)
    return Doubts(undecided, visible)


def refined(
    problem: Problem,
    objective: Function,
    found: Differences,
    doubts: Callable[[Differences], Doubts],
) -> Differences:
    """Takes differences at other steps until no doubt is left that they may answer.

    Args:
        problem: where they are taken; only those of order 1 have steps to choose, since
            one direction is for all coordinates.
        objective: of what.
        found: those at the first steps.
        doubts: what they leave open.
    """
    sizes, point = problem.sizes[problem.chosen], problem.point[problem.chosen]
    steps = _Steps(sizes * RATIO ** (1 - STEPS), sizes, np.zeros(sizes.shape))
    last = found
    for _ in range(_ROUNDS if problem.settings.order == 1 else 0):
        again, first, steps = _next(steps, last, point, doubts(found))
        (which,) = np.nonzero(again)
        if not which.size:
            break
        new, _ = finite_differences(problem, objective, which, first[which])
        old = Differences(*(column[which] for column in found))
        merged = _better(old, new, finer=first[which] < sizes[which])
        found = _replaced(found, which, merged)
        last = _replaced(last, which, new)
    return found


def _next(
    steps: _Steps, last: Differences, point: np.ndarray, doubts: Doubts
) -> tuple[np.ndarray, np.ndarray, _Steps]:
    """Which coordinates to sample again, from which step, and all steps then."""
    smaller, larger = steps.smallest / RATIO, steps.largest * RATIO**STEPS
    smallest = smaller * RATIO ** (1 - STEPS)
    seeks = smaller > doubts.visible
    is_rough = ~last.settled | (last.truncation >= last.rounding)
    trend = np.where(seeks | is_rough, -1.0, 1.0)
    possible = (trend > 0) | (smallest > _RESOLVED * np.abs(point))
    again = (doubts.undecided | seeks) & possible & (steps.trend * trend >= 0)
    taken = _Steps(
        np.where(again & (trend < 0), smallest, steps.smallest),
        np.where(again & (trend > 0), larger, steps.largest),
        np.where(again, trend, steps.trend),
    )
    return again, np.where(trend < 0, smaller, larger), taken


def _better(
    first: Differences, second: Differences, *, finer: np.ndarray
) -> Differences:
    """Of two differences the one of smaller error, coordinate by coordinate.

    Args:
        first: those that were taken first.
        second: at other steps.
        finer: where these are smaller ones. Where the two contradict each other the
            finer are right: the others did not reach the scale on which the function
            changes.
    """
    apart = np.abs(second.values - first.values) - first.kinks - second.kinks
    # What looks like a kink from afar may be a bend; one that noise hides is not seen
    # below two of these bounds.
    apart = np.maximum(apart, np.abs(second.kinks - first.kinks) / 3)
    contradict = apart > first.bounds + second.bounds
    revised = finer & (~second.settled | contradict)
    smaller = (finer | ~contradict) & (second.bounds < first.bounds)
    # Where slopes grew until noise hid them nobody knows how far they would have.
    size = np.maximum(np.abs(second.values), second.changes)
    lost = finer & ~first.settled & (second.bounds > size)
    chosen = (revised | smaller) & ~lost
    pairs = zip(first, second, strict=True)
    merged = Differences(*(np.where(chosen, two, one) for one, two in pairs))
    # Slopes far away say nothing of those around the point.
    old, new = (one.settled * one.changes for one in (first, second))
    changes = np.where(finer, np.maximum(old, new), first.changes)
    return merged._replace(changes=changes)


def _replaced(
    found: Differences, which: np.ndarray, new: Sequence[np.ndarray]
) -> Differences:
    columns = [column.copy() for column in found]
    for column, one in zip(columns, new, strict=True):
        column[which] = one
    return Differences(*columns)
