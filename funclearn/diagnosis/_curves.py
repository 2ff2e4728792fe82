"""What can be measured on the curves of a run, and how far chance could move it."""

import math
from typing import NamedTuple

import numpy as np

from funclearn.diagnosis._falls import Fall, fall_of
from funclearn.diagnosis._smoothing import (
    ends,
    error_of_change,
    jitter_of,
    smooth,
    wandering,
)

__all__ = ["FLAT", "Measures", "Training", "Validation", "measure"]

# Less than the few per cent that decide nothing (_verdicts.py).
FLAT = 0.01
"""A loss that changes by less than this part of it does not change."""

# Of the epochs: the first of them may only forget where the parameters began, which
# can be any multiple of what there is to learn.
_TRANSIENT = 1 / 50
# Standard errors that what is learnt must have, so that parts of it can be told.
_CLEARLY = 10.0
# Times an error, that epochs which depend on each other may make it.
_DEPENDENT = 2.5
# Standard errors of the jitter. The lowest of some twenty smoothed values lies two
# below its own mean by chance, the jitter itself is uncertain, and what
# one epoch hands on to the next does not show in it.
_JITTERS = 6.0


class Training(NamedTuple):
    """What is measured on a training curve.

    Attributes:
        epochs: its length.
        first_training: the first loss.
        lowest_training: the lowest value of the smoothed curve.
        last_training: the last loss, unless it is high by chance.
        jitter: the standard deviation of a single loss about the curve.
        floor: what the curve seems to fall to.
        learnt: by how much it fell, but for the very first epochs.
    """

    epochs: float
    first_training: float
    lowest_training: float
    last_training: float
    jitter: float
    floor: float
    learnt: float


class Validation(NamedTuple):
    """What is measured on a validation curve beside the training curve.

    Attributes:
        first_validation: its first value.
        lowest_validation: the lowest value of the smoothed curve.
        last_validation: its last value.
        validation_floor: what it seems to fall to.
        validation_falls_until: the epoch, counted from 1, until which it falls.
        validation_learnt: by how much it fell, but for the very first epochs.
        rise: how far it has risen since it was lowest, more than the training loss.
        scale: its last value, or its range where it may be negative.
        parting: by how much of the scale the curves part from there on.
        by_chance: by how much chance could part them.
        by_jitter: by how much jitter alone could.
        by_rows: by how much a small number of rows alone could.
        lost: the part of what the training loss learnt that it did not.
    """

    first_validation: float
    lowest_validation: float
    last_validation: float
    validation_floor: float
    validation_falls_until: float
    validation_learnt: float
    rise: float
    scale: float
    parting: float
    by_chance: float
    by_jitter: float
    by_rows: float
    lost: float


class Measures(NamedTuple):
    """All that was measured on a run.

    Attributes:
        training: on its training curve.
        training_fall: how that goes on.
        validation: on its validation curve; None without one.
        validation_fall: how that goes on.
    """

    training: Training
    training_fall: Fall
    validation: Validation | None = None
    validation_fall: Fall | None = None

    def by_name(self) -> dict[str, float]:
        """The numbers that there are, by their names."""
        numbers = self.training._asdict()
        if self.validation is not None:
            numbers |= self.validation._asdict()
        return numbers


def measure(
    training: np.ndarray,
    judged: np.ndarray | None = None,
    *,
    rows: float,
    comparable: bool = True,
) -> Measures:
    """Measures a training curve and, if there is one, the validation curve beside it.

    Args:
        training: `(epochs,)`, finite.
        judged: the validation loss, likewise.
        rows: number of rows that it is a mean over.
        comparable: whether it is the same loss, so that a gap between them says
            something.
    """
    curve, jitter = smooth(training), jitter_of(training)
    first, last = ends(training, curve, jitter)
    fall = fall_of(training, jitter)
    measured = Training(
        epochs=float(len(training)),
        first_training=float(training[0]),
        lowest_training=float(curve.min()),
        last_training=last,
        jitter=jitter,
        floor=_above_zero(fall.floor, training),
        learnt=_learnt(first, curve, jitter),
    )
    if judged is None:
        return Measures(measured, fall)
    judged_fall = fall_of(judged, jitter_of(judged))
    validation = _beside(judged, judged_fall, training, jitter, rows)
    if not comparable:
        parting = max(validation.rise, 0.0) / validation.scale
        validation = validation._replace(parting=parting)
    return Measures(measured, fall, validation, judged_fall)


def _beside(
    judged: np.ndarray,
    judged_fall: Fall,
    training: np.ndarray,
    jitter: float,
    rows: float,
) -> Validation:
    curve, judged_curve = smooth(training), smooth(judged)
    judged_jitter = jitter_of(judged)
    lowest = float(judged_curve.min())
    last = ends(judged, judged_curve, judged_jitter)[1]
    # Without a zero, as for likelihoods, the only scale is the range. A loss may end
    # at zero.
    signed = bool(judged.min() < 0)
    reach = max(float(judged_curve.max()), float(judged[0])) - lowest
    scale = max(reach if signed else last, float(np.finfo(np.float32).tiny))
    end = int(np.argmax(judged_curve <= lowest + FLAT * (scale if signed else lowest)))
    noise = math.hypot(jitter, judged_jitter)
    by_jitter = _by_jitter(judged_curve, noise) / scale
    # Two standard errors of a mean over the rows, as explained in _verdicts.py.
    by_rows = 2 * math.sqrt(2 / rows)
    by_chance = math.hypot(by_jitter, by_rows)
    gaps = np.maximum(judged_curve - curve, 0.0)
    rise = _rise(judged_curve, min(judged_curve[-3:].min(), last), curve, end)
    parting = float(gaps[-1] - gaps[end]) / scale
    return Validation(
        first_validation=float(judged[0]),
        lowest_validation=lowest,
        last_validation=last,
        validation_floor=_above_zero(judged_fall.floor, judged),
        validation_falls_until=end + 1.0,
        validation_learnt=_learnt(float(judged[0]), judged_curve, judged_jitter),
        rise=rise,
        scale=scale,
        parting=max(parting, rise / scale) if rise > by_chance * scale else parting,
        by_chance=by_chance,
        by_jitter=by_jitter,
        by_rows=by_rows,
        lost=_lost(training, judged, noise),
    )


def _by_jitter(curve: np.ndarray, noise: float) -> float:
    """How far jitter could move the end of a smoothed curve from another value."""
    error = error_of_change(curve, noise)
    # What wanders by more is no chance, but cycles of the learning rate.
    return _JITTERS * max(error, min(wandering(curve), _DEPENDENT * error))


def _rise(judged: np.ndarray, last: float, curve: np.ndarray, end: int) -> float:
    """How far a validation curve has risen, more than the training curve."""
    # A penalty or noise may hold the training loss above, so a rise counts by itself;
    # but the lowest of many noisy values lies below the last by chance.
    rise = last - judged[end]
    return float(min(rise, rise - (curve[-1] - curve[end])))


def _above_zero(floor: float, losses: np.ndarray) -> float:
    """A floor, which no loss that is never negative falls below."""
    return max(floor, 0.0) if losses.min() >= 0 else floor


def _learnt(first: float, curve: np.ndarray, jitter: float) -> float:
    later = curve[int(_TRANSIENT * len(curve))] - curve[-1]
    clear = _CLEARLY * error_of_change(curve, jitter)
    return float(later if later > clear else max(first - curve[-1], 0.0))


def _lost(training: np.ndarray, judged: np.ndarray, noise: float) -> float:
    """The largest part of what was learnt that does not hold for other rows."""
    curve, judged_curve = smooth(training), smooth(judged)
    later, lost = int(_TRANSIENT * len(curve)), 0.0
    # A running median hides the first epochs, in which most may be learnt.
    windows = (
        (training[0], judged[0], noise),
        (curve[later], judged_curve[later], error_of_change(curve, noise)),
    )
    for start, judged_start, error in windows:
        learnt = start - curve[-1]
        if learnt > _CLEARLY * error:
            lost = max(lost, 1 - float((judged_start - judged_curve[-1]) / learnt))
    return lost
