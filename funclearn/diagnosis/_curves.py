"""What can be measured on the curves of a run, and how far chance could move it."""

import math
from typing import NamedTuple

import numpy as np

__all__ = [
    "FLAT",
    "HORIZON",
    "Measures",
    "Training",
    "Validation",
    "has_risen",
    "measure",
]

# Less than the few per cent that decide nothing (_verdicts.py).
FLAT = 0.01
"""A loss that changes by less than this part of it does not change."""

# Finite, since a fall that does not slow down has no floor.
HORIZON = 20
"""How many times as long as it lasted a run is thought to go on."""

# Of the first training loss: more than the few per cent that decide nothing, for it
# alone counts in runs of a few epochs, whose jitter cannot be measured.
_RISEN = 0.1
# Times the first training loss; an explosion bends a curve like jitter, which would
# hide it without this bound.
_EXPLODED = 10.0
# Losses are computed in single precision; a hundred of its roundings are those of a
# number of about 100.
_ROUNDING = 100 * float(np.finfo(np.float32).eps)


class Training(NamedTuple):
    """What is measured on a training curve.

    Attributes:
        epochs: its length.
        first_training: the first loss.
        lowest_training: the lowest value of the smoothed curve.
        last_training: the last loss, unless it is high by chance.
        jitter: the standard deviation of a single loss about the curve.
        floor: what the smoothed curve seems to fall to.
    """

    epochs: float
    first_training: float
    lowest_training: float
    last_training: float
    jitter: float
    floor: float


class Validation(NamedTuple):
    """What is measured on a validation curve beside the training curve.

    Attributes:
        lowest_validation: the lowest value of the smoothed curve.
        last_validation: its last value.
        validation_floor: what it seems to fall to.
        validation_falls_until: the epoch, counted from 1, until which it falls.
        parting: by how much of its last value the curves part from there on.
        by_chance: by how much chance could part them.
    """

    lowest_validation: float
    last_validation: float
    validation_floor: float
    validation_falls_until: float
    parting: float
    by_chance: float


class Measures(NamedTuple):
    """All that was measured on a run.

    Attributes:
        training: on its training curve.
        validation: on its validation curve; None without one.
        share_of_baseline: the last training loss as a part of the baseline; None
            without a baseline.
    """

    training: Training
    validation: Validation | None = None
    share_of_baseline: float | None = None

    def by_name(self) -> dict[str, float]:
        """The numbers that there are, by their names."""
        numbers = self.training._asdict()
        if self.validation is not None:
            numbers |= self.validation._asdict()
        if self.share_of_baseline is not None:
            numbers["share_of_baseline"] = self.share_of_baseline
        return numbers


def measure(
    training: np.ndarray, judged: np.ndarray | None = None, *, rows: float
) -> Measures:
    """Measures a training curve and, if there is one, the validation curve beside it.

    Args:
        training: `(epochs,)`, finite and not negative.
        judged: the validation loss, likewise.
        rows: number of rows that it is a mean over.
    """
    curve, jitter = _smooth(training), _jitter(training)
    _, last = _ends(training, curve, jitter)
    measured = Training(
        epochs=float(len(training)),
        first_training=float(training[0]),
        lowest_training=float(curve.min()),
        last_training=last,
        jitter=jitter,
        floor=_floor(curve, jitter),
    )
    if judged is None:
        return Measures(measured)
    return Measures(measured, _measure_validation(judged, curve, jitter, rows))


def _measure_validation(
    judged: np.ndarray, curve: np.ndarray, jitter: float, rows: float
) -> Validation:
    judged_curve, judged_jitter = _smooth(judged), _jitter(judged)
    end = int(np.argmax(judged_curve <= (1 + FLAT) * judged_curve.min()))
    # A loss may end at zero.
    scale = max(judged_curve[-1], np.finfo(np.float32).tiny)
    by_jitter = _error_of_change(curve, math.hypot(jitter, judged_jitter)) / scale
    # Three standard errors of the jitter and two of a mean over the rows: both kinds
    # are explained in _verdicts.py.
    by_chance = math.hypot(3 * by_jitter, 2 * math.sqrt(2 / rows))
    gaps = np.maximum(judged_curve - curve, 0.0)
    parting = (gaps[-1] - gaps[end]) / scale
    # A penalty or noise may hold the training loss above, so a rise counts by itself;
    # but the lowest of many noisy values lies below the last by chance.
    rise = judged_curve[-3:].min() - judged_curve[end]
    rise = min(rise, rise - (curve[-1] - curve[end])) / scale
    return Validation(
        lowest_validation=judged_curve.min(),
        last_validation=judged_curve[-1],
        validation_floor=_floor(judged_curve, judged_jitter),
        validation_falls_until=end + 1.0,
        parting=max(parting, rise) if rise > by_chance else parting,
        by_chance=by_chance,
    )


def has_risen(training: np.ndarray, *, stopped: bool = False) -> bool:
    """Whether a training loss ends above its start by more than chance and rounding.

    Args:
        training: `(epochs,)`, finite.
        stopped: whether a rule stopped the run since it diverged; then any rise counts.
    """
    if stopped and training[-1] > training[0]:
        return True
    jitter = _jitter(training)
    first, last = _ends(training, _smooth(training), jitter)
    # A difference jitters √2 times as much; but an explosion bends like jitter, too.
    jittering = min(3 * math.sqrt(2) * jitter, _EXPLODED * abs(first))
    # Squared rounding errors of a fit to targets of up to about 100 are no rise.
    return last - first > max(_RISEN * abs(first), jittering, _ROUNDING**2)


def _half_width(curve: np.ndarray) -> int:
    # A window is a twentieth of the run; one of fewer than 40 epochs is left as it is.
    return min(len(curve) // 40, 50)


def _smooth(curve: np.ndarray) -> np.ndarray:
    """A running median, which leaves a falling or rising curve where it is."""
    half = _half_width(curve)
    padded = np.pad(curve, half, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return np.median(windows, axis=-1)


def _ends(
    training: np.ndarray, curve: np.ndarray, jitter: float
) -> tuple[float, float]:
    """The first loss, unless it is low, and the last, unless it is high, by chance."""
    # A twentieth of the run, as for the smoothed curve.
    few = min(5, 1 + len(training) // 20)
    exploded = _EXPLODED * abs(training[0])
    first = max(training[0], min(np.median(training[:few]), exploded))
    last = min(curve[-1], np.median(training[-few:]))
    # A running median hides what happens in its last half width.
    up = training[-3:].min()
    if training[-1] > _EXPLODED * abs(first):
        up = training[-1]
    return float(first), float(up if up - last > 3 * jitter else last)


def _jitter(curve: np.ndarray) -> float:
    """Standard deviation of the curve's second half about its own course."""
    # A falling loss bends by itself, and most at the beginning.
    half = curve[len(curve) // 2 :]
    bends = np.diff(half, 2)
    # Normal jitter has a median size of 0.6745 deviations, and √6 as much in a bend.
    size = np.median(np.abs(bends)) / (0.6745 * math.sqrt(6)) if bends.size else 0.0
    return max(float(size), _ROUNDING * abs(float(np.median(half))))


def _error_of_change(curve: np.ndarray, jitter: float) -> float:
    """Standard error of the difference between two values of a smoothed curve."""
    # A median has π/2 times the variance of a mean, and a difference twice that.
    return jitter * math.sqrt(math.pi / (2 * _half_width(curve) + 1))


def _floor(curve: np.ndarray, jitter: float) -> float:
    """Where a smoothed curve ends up if its falls go on as now, up to the horizon."""
    half = _half_width(curve)
    inner = curve[half : len(curve) - half]  # the median lags behind at the ends
    if len(inner) < 3:
        return float(curve[-1])
    tenth = max(1, len(inner) // 10)
    before, fall = -np.diff(inner[[-1 - 2 * tenth, -1 - tenth, -1]])
    if fall <= 3 * _error_of_change(curve, jitter):
        return float(curve[-1])
    ratio = min(fall / before, 1.0) if before > 0 else 1.0
    falls = fall * ratio ** np.arange(1, HORIZON * len(curve) // tenth + 1)
    return max(0.0, float(curve[-1] - falls.sum()))
