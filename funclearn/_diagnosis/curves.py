"""What can be measured on the curves of a run, and how far chance could move it."""

import math
from typing import Any

import jax
import numpy as np

from funclearn.training import History

__all__ = [
    "FLAT",
    "HORIZON",
    "all_finite",
    "default_history",
    "has_risen",
    "measure",
    "was_stopped",
]

FLAT = 0.01
"""A loss that changes by less than this part of it does not change."""

HORIZON = 20
"""How many times as long as it lasted a run is thought to go on."""

_RISEN = 0.1  # of the first training loss
_EXPLODED = 10.0  # times the first training loss
_ROUNDING = 100 * float(np.finfo(np.float32).eps)


def measure(
    training: np.ndarray, judged: np.ndarray | None = None, *, rows: float
) -> dict[str, float]:
    """Measures a training curve and, if there is one, the validation curve beside it.

    Args:
        training: `(epochs,)`, finite and not negative.
        judged: the validation loss, likewise.
        rows: number of rows that it is a mean over.

    Returns:
        The first training loss, and of the smoothed curves the lowest and last values
        and the floors that they seem to fall to; the jitter, a standard deviation; the
        epoch until which the validation loss falls, by how much of its last value the
        curves part from there on, and by how much chance could part them.
    """
    curve = _smooth(training)
    jitter = _jitter(training)
    _, last = _ends(training, curve, jitter)
    numbers = {
        "epochs": float(len(training)),
        "first_training": float(training[0]),
        "lowest_training": float(curve.min()),
        "last_training": last,
        "jitter": jitter,
        "floor": _floor(curve, jitter),
    }
    if judged is None:
        return numbers
    judged_curve, judged_jitter = _smooth(judged), _jitter(judged)
    end = int(np.argmax(judged_curve <= (1 + FLAT) * judged_curve.min()))
    scale = max(judged_curve[-1], np.finfo(np.float32).tiny)
    by_jitter = _error_of_change(curve, math.hypot(jitter, judged_jitter)) / scale
    by_chance = math.hypot(3 * by_jitter, 2 * math.sqrt(2 / rows))
    gaps = np.maximum(judged_curve - curve, 0.0)
    parting = (gaps[-1] - gaps[end]) / scale
    # A penalty or noise may hold the training loss above, so a rise counts by itself;
    # but the lowest of many noisy values lies below the last by chance.
    rise = judged_curve[-3:].min() - judged_curve[end]
    rise = min(rise, rise - (curve[-1] - curve[end])) / scale
    return numbers | {
        "lowest_validation": judged_curve.min(),
        "last_validation": judged_curve[-1],
        "validation_floor": _floor(judged_curve, judged_jitter),
        "validation_falls_until": end + 1.0,
        "parting": max(parting, rise) if rise > by_chance else parting,
        "by_chance": by_chance,
    }


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


def was_stopped(run: Any) -> bool:
    """Whether a rule stopped the run since it diverged."""
    return str(run.reason) == "diverged"


def default_history(run: Any) -> History:
    """The history of a run that `fit` made without `record`.

    Raises:
        TypeError: if it is another.
    """
    history = getattr(run, "history", None)
    if not isinstance(history, History):
        raise TypeError(
            "run must have the default history, as fit keeps it without record; got "
            f"{type(history).__name__}."
        )
    return history


def all_finite(tree: Any) -> bool:
    """Whether all numbers of a pytree are finite."""
    return all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(tree))


def _half_width(curve: np.ndarray) -> int:
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
