"""How much a change on a curve counts.

A change is compared with two things: the loss itself, and what was learnt. Neither will
do alone. A loss that has fallen to 1e-9 of its start may double without being worth a
word; one that began at a million, far from anything sensible, has learnt a million
however far the validation loss stays behind. So a change counts if it is a part of both
that matters. A loss that is negative, as a log-likelihood may be, has no zero: there a
change counts by what was learnt alone, and neither its unit nor an offset decides.

A weight of 1 is where a change begins to count; from ½ to 1½ it may or may not.
"""

import numpy as np

from funclearn.diagnosis._curves import Training, Validation
from funclearn.diagnosis._falls import Fall

__all__ = ["COUNTS", "MAY_COUNT", "weigh_fall", "weigh_level", "weigh_rise"]

MAY_COUNT = 0.5
"""Below this weight a change is none."""

COUNTS = 1.5
"""From this weight on a change is one."""

# Of the loss, of what was learnt, and of what was learnt where that is all there is: a
# few per cent decide nothing, and less than one of what was learnt is next to nothing.
_FALL = (0.05, 0.01, 0.05)
_RISE = (0.07, 0.007, 0.07)
# A validation loss of 1.75 times the training loss begins to count, whatever it is.
_GAP = 0.75
# Of what was learnt, likewise; and where that is all there is.
_OF_LEARNT, _OF_LEARNT_ALONE = 0.02, 0.3


def _weigh(
    change: float, loss: float, learnt: float, least: tuple[float, float, float]
) -> float:
    if change <= 0:
        return 0.0
    of_loss, of_learnt, of_learnt_alone = least
    tiny = float(np.finfo(np.float32).tiny)
    if loss < 0:
        return change / max(learnt, tiny) / of_learnt_alone
    # What was learnt may be nothing, as of a loss that rises from the start.
    parts = change / max(loss, tiny) / of_loss, change / max(learnt, tiny) / of_learnt
    return min(parts)


def weigh_fall(fall: Fall, last: float, learnt: float) -> Fall:
    """Weights of what a loss will fall by, in the places of the falls."""
    return Fall(*(_weigh(change, last, learnt, _FALL) for change in fall))


def weigh_rise(judged: Validation, *, signed: bool) -> float:
    """Weight of how far the validation loss has risen above its lowest."""
    last = -1.0 if signed else judged.last_validation
    learnt = max(judged.validation_learnt, judged.rise)
    return _weigh(judged.rise, last, learnt, _RISE)


def weigh_level(
    training: Training, judged: Validation, fall: Fall, *, signed: bool
) -> float:
    """Weight of the gap between the curves at the end.

    Args:
        training: the measured training curve.
        judged: the measured validation curve.
        fall: how that goes on, which may close the gap.
        signed: whether losses may be negative.
    """
    below = training.last_training
    gap = judged.last_validation - below
    if gap <= 0:
        return 0.0
    learnt = max(training.learnt, float(np.finfo(np.float32).tiny))
    if signed:
        lost = max(judged.lost, 0.0)
        return min(gap / learnt, lost) / _OF_LEARNT_ALONE
    weight = gap / learnt / _OF_LEARNT
    if below <= 0:
        return weight
    weight = min(weight, gap / below / _GAP)
    # Rows that are harder by themselves are so from the start, by a factor.
    first = max(training.first_training, float(np.finfo(np.float32).tiny))
    harder = max(judged.first_validation / first, 1.0)
    grown = judged.last_validation / harder - below
    if min(grown, gap - fall.next) < COUNTS * _GAP * below:
        return min(weight, 1.0)
    return weight
