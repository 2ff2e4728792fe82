"""Whether a training loss has risen, by more than chance: then the run diverged."""

import math

import numpy as np

from funclearn.diagnosis._smoothing import EXPLODED, ROUNDING, ends, jitter_of, smooth

__all__ = ["has_risen"]

# More than the few per cent that decide nothing (_verdicts.py), for it alone counts in
# runs of a few epochs, whose jitter cannot be measured.
_RISEN = 0.1
# Parts of the run's last quarter that lie above the start: all but a few spikes down.
_MOST = 0.9
# Epochs from which on the jitter is known to a part of itself.
_UNSURE = 16
# Epochs, of which chance makes all rise once in a thousand runs.
_STEADY = 10
# Of what was learnt; less is how a step that is a little too large looks, too.
_LOST_AGAIN = 0.5


def has_risen(training: np.ndarray, *, stopped: bool = False) -> bool:
    """Whether a training loss goes up in the end, by more than chance and rounding.

    It ends above its start, or only ever rises, or loses half of what it learnt at the
    end. Of a loss that jumps up and down by turns the even and the odd epochs are
    looked at alone, since their difference is no chance.

    Args:
        training: `(epochs,)`, finite.
        stopped: whether a rule stopped the run since it diverged; then any rise counts.
    """
    if stopped and training[-1] > training[0]:
        return True
    turns = [training]
    if len(training) >= _STEADY:
        turns += [np.r_[training[0], training[turn::2]] for turn in (0, 1)]
    return (
        any(map(_ends_above_start, turns))
        or _stays_above_start(training)
        or _only_rises(training)
        or _loses_all_again(training)
    )


def _scale(training: np.ndarray) -> float:
    """What a rise is compared with: the first loss, or what was learnt from it."""
    # A loss that may be negative has no zero to compare with.
    lowest = float(training.min())
    return float(training[0]) - (lowest if lowest < 0 else 0.0)


def _ends_above_start(training: np.ndarray) -> bool:
    jitter = jitter_of(training)
    first, last = ends(training, smooth(training), jitter)
    scale = _scale(training)
    # A difference jitters √2 times as much, and of few epochs that is hardly known; but
    # an explosion bends like jitter, too.
    unsure = 1 + _UNSURE / len(training)
    jittering = 3 * math.sqrt(2) * unsure * jitter
    if scale > 0:
        jittering = min(jittering, EXPLODED * scale)
    # Squared rounding errors of a fit to targets of up to about 100 are no rise.
    return last - first > max(_RISEN * scale, jittering, ROUNDING**2)


def _stays_above_start(training: np.ndarray) -> bool:
    """Whether it jitters about a level that is high above the start."""
    late = training[-(len(training) // 4) :]
    if len(late) < _STEADY:
        return False
    # The first loss may be low by chance; what is three times as high is none.
    early = float(np.median(training[:_STEADY]))
    first = float(training[0])
    first = max(first, early) if early < first + 2 * _scale(training) else first
    above = np.quantile(late, 1 - _MOST) - first
    return bool(above > max(_RISEN * _scale(training), ROUNDING**2))


def _only_rises(training: np.ndarray) -> bool:
    rise = training[-1] - training[0]
    least = 10 * ROUNDING * abs(training[0])  # beyond what roundings add up to
    if len(training) < _STEADY or rise <= max(least, ROUNDING**2):
        return False
    return bool(np.mean(np.diff(training) > 0) > 1 - 1 / _STEADY)


def _loses_all_again(training: np.ndarray) -> bool:
    """Whether it rises at the end, steadily, by half of what it had learnt."""
    curve = smooth(training)
    low = int(np.argmin(curve))
    before, since = training[: low + 1], training[low:]
    rise = training[-1] - curve[low]
    learnt = training[0] - curve[low]
    zero = curve.min() >= 0
    if rise < max(_LOST_AGAIN * learnt, curve[low] * zero, 10 * jitter_of(training)):
        return False
    steps = np.diff(training)[-max(5, len(training) // 20) :]
    # A cycle of the learning rate rises like that as well, but not for the first time.
    earlier = np.max(before - np.minimum.accumulate(before))
    steady = len(since) > 5 and np.mean(steps > 0) >= _MOST
    return bool(steady and training[-1] == since.max() and earlier < rise / 2)
