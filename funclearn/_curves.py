"""What can be measured on the curves of a run, and how far chance could move it."""

import math

import numpy as np

__all__ = ["FLAT", "measure"]

FLAT = 0.01
"""A loss that changes by less than this part of it does not change."""

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
    numbers = {
        "epochs": float(len(training)),
        "first_training": training[0],
        "lowest_training": curve.min(),
        "last_training": curve[-1],
        "jitter": jitter,
        "floor": _floor(curve, jitter),
    }
    if judged is None:
        return numbers
    judged_curve, judged_jitter = _smooth(judged), _jitter(judged)
    end = int(np.argmax(judged_curve <= (1 + FLAT) * judged_curve.min()))
    gaps = np.maximum(judged_curve - curve, 0.0)
    scale = max(judged_curve[-1], np.finfo(np.float32).tiny)
    by_jitter = _error_of_change(curve, math.hypot(jitter, judged_jitter)) / scale
    return numbers | {
        "lowest_validation": judged_curve.min(),
        "last_validation": judged_curve[-1],
        "validation_floor": _floor(judged_curve, judged_jitter),
        "validation_falls_until": end + 1.0,
        "parting": (gaps[-1] - gaps[end]) / scale,
        "by_chance": math.hypot(3 * by_jitter, 2 * math.sqrt(2 / rows)),
    }


def _half_width(curve: np.ndarray) -> int:
    return min(len(curve) // 40, 50)


def _smooth(curve: np.ndarray) -> np.ndarray:
    """A running median, which leaves a falling or rising curve where it is."""
    half = _half_width(curve)
    padded = np.pad(curve, half, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return np.median(windows, axis=-1)


def _jitter(curve: np.ndarray) -> float:
    """Standard deviation of the curve's second half about its own course."""
    bends = np.diff(curve[len(curve) // 2 :], 2)
    # Normal jitter has a median size of 0.6745 deviations, and √6 as much in a bend.
    size = np.median(np.abs(bends)) / (0.6745 * math.sqrt(6)) if bends.size else 0.0
    return max(float(size), _ROUNDING * float(curve[-1]))


def _error_of_change(curve: np.ndarray, jitter: float) -> float:
    """Standard error of the difference between two values of a smoothed curve."""
    # A median has π/2 times the variance of a mean, and a difference twice that.
    return jitter * math.sqrt(math.pi / (2 * _half_width(curve) + 1))


def _floor(curve: np.ndarray, jitter: float) -> float:
    """Where a smoothed curve ends if its falls go on shrinking geometrically."""
    half = _half_width(curve)
    inner = curve[half : len(curve) - half]  # the median lags behind at the ends
    tenth = max(1, len(inner) // 10)
    before, fall = -np.diff(inner[[-1 - 2 * tenth, -1 - tenth, -1]])
    if fall <= 3 * _error_of_change(curve, jitter):
        return float(curve[-1])
    return (
        max(0.0, float(curve[-1] - fall**2 / (before - fall))) if before > fall else 0.0
    )
