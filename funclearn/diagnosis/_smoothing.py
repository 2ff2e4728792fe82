"""The course of a curve, and how far a single loss jitters about it."""

import math

import numpy as np

__all__ = [
    "EXPLODED",
    "ROUNDING",
    "ends",
    "error_of_change",
    "half_width",
    "jitter_of",
    "smooth",
    "wandering",
]

# An explosion bends a curve like jitter, which would hide it without this bound.
EXPLODED = 10.0
"""Times the first training loss, beyond which nothing is chance."""

# A hundred roundings of single precision are those of a number of about 100.
ROUNDING = 100 * float(np.finfo(np.float32).eps)
"""The part of a loss that rounding alone may move."""


def half_width(curve: np.ndarray) -> int:
    """Half of the window that a curve is smoothed over."""
    # A window is a twentieth of the run; one of fewer than 40 epochs is left as it is.
    return min(len(curve) // 40, 50)


def smooth(curve: np.ndarray) -> np.ndarray:
    """A running median, which leaves a falling or rising curve where it is."""
    half = half_width(curve)
    padded = np.pad(curve, half, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return np.median(windows, axis=-1)


def ends(training: np.ndarray, curve: np.ndarray, jitter: float) -> tuple[float, float]:
    """The first loss, unless it is low, and the last, unless it is high, by chance.

    Args:
        training: `(epochs,)`, finite.
        curve: the same, smoothed.
        jitter: of a single loss.
    """
    # A twentieth of the run, as for the smoothed curve.
    few = min(5, 1 + len(training) // 20)
    first = max(training[0], np.median(training[:few]))
    # What explodes within the first few epochs did not start there.
    first = training[0] if _exploded(first, training) else first
    # A median of a few lags less behind a fall, but jitters more.
    late = np.median(training[-few:])
    last = late if curve[-1] - late > 3 * jitter / math.sqrt(few) else curve[-1]
    # A running median hides what happens in its last half width.
    up = training[-3:].min()
    if _exploded(training[-1], training):
        up = training[-1]
    return float(first), float(up if up - last > 3 * jitter else last)


def _exploded(loss: float, training: np.ndarray) -> bool:
    """Whether a loss is beyond all that the curve learnt or started from."""
    # Without a zero, as for likelihoods, the only scale is that of the changes.
    spread = training[0] - min(training.min(), 0.0)
    return bool(loss - training[0] > EXPLODED * max(spread, np.finfo(np.float32).tiny))


def jitter_of(curve: np.ndarray) -> float:
    """Standard deviation of the curve's second half about its own course."""
    # A falling loss bends by itself, and most at the beginning.
    half = curve[len(curve) // 2 :]
    # Of fourth differences a smooth course, cycles of a few epochs included, leaves
    # next to nothing; a few epochs have but second ones.
    order = 4 if len(half) >= 12 else 2
    bends = np.abs(np.diff(half, order))
    # Normal jitter has a median size of 0.6745 deviations, and a difference of order m
    # has as many times its variance as the sum of squared binomial coefficients.
    spread = 0.6745 * math.sqrt(math.comb(2 * order, order))
    size = np.median(bends) / spread if bends.size else 0.0
    return max(float(size), ROUNDING * abs(float(np.median(half))))


def error_of_change(curve: np.ndarray, jitter: float) -> float:
    """Standard error of the difference between a smoothed curve's end and another."""
    half = half_width(curve)
    if half == 0:
        return math.sqrt(2) * jitter
    # A median has π/2 times the variance of a mean; at the end half of its values are
    # the other half, reflected.
    return jitter * math.sqrt(math.pi / 2 * (1 / (2 * half + 1) + 1 / (half + 1)))


def wandering(curve: np.ndarray) -> float:
    """The same error as it shows in the curve, where epochs depend on each other."""
    # Far enough apart to share nothing, and late enough to have settled.
    values = curve[:: -max(3, 2 * half_width(curve) + 1)]
    late = values[: max(4, math.ceil(0.6 * len(values)))]
    bends = np.abs(np.diff(late, 2))
    if not bends.size:
        return 0.0
    # As for the jitter; a difference has √2 times the error of a value.
    return math.sqrt(2) * float(np.median(bends)) / (0.6745 * math.sqrt(6))
