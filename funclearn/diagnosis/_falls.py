"""How a curve goes on: the fall that describes its end, continued.

With the time u as a part of the run, so that it ends at u = 1, a loss that is settling
falls like one of two families; both have the slope -1 at the end:

    (exp(-k (u - 1)) - 1) / k    gradient descent on a quadratic; k -> 0 is a line
    (u^-p - 1) / p               a power law

The best member is found by least squares on medians of short stretches, over the
longest part of the run's end that it describes within the jitter.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from funclearn.diagnosis._smoothing import smooth

__all__ = ["HORIZON", "Fall", "fall_of"]

# Finite, since a fall that does not slow down has no floor.
HORIZON = 20
"""How many times as long as it lasted a run is thought to go on."""

# Times as long, in which a fall that is too slow to count comes to count if it never
# slows down; one that does is over by then.
_EVER = 100
# Parts of the run, the longest first: more points, less chance.
_STRETCHES = (0.75, 0.5, 0.35, 0.2, 0.1)
# Enough to tell three numbers from jitter, and few enough to be quick.
_MEDIANS = 24
_FEWEST = 6
# Steeper falls are over before a tenth of the run is.
_RATES = np.geomspace(0.03, 300, 60)
_POWERS = np.geomspace(0.05, 5, 30)
# Grids about the best member, as wide as a step of the one before. What the second one
# leaves, a ten-thousandth of the number, does not show beside roundings.
_FINER = (1.2, 1.01)
# Times what jitter alone leaves: residuals of a curve of another shape are larger.
_MISFIT = 2.0
# Squared differences of neighbouring residuals, over their squares; 2 for chance, less
# for what goes astray for a while, as after a drop of the learning rate.
_ASTRAY = 1.0
# Times the fall that the lowest losses allow: of a line it is once.
_OTHERWISE = 1.5
# Roundings, and how well medians of a few epochs follow a bend.
_LEAST_ERROR = 1e-12

_Members: TypeAlias = Float[np.ndarray, "members times"]


class Fall(NamedTuple):
    """What a curve seems to do after its end.

    Attributes:
        next: by how much it falls in as many epochs again.
        least: by how much at least, as far as chance allows.
        most: by how much at most.
        floor: what it falls to up to the horizon.
        ever: by how much it falls at least in the long run.
    """

    next: float
    least: float
    most: float
    floor: float
    ever: float


def fall_of(losses: np.ndarray, jitter: float) -> Fall:
    """How a curve goes on.

    Args:
        losses: `(epochs,)`, finite.
        jitter: of a single loss.
    """
    # Squares of losses near the largest number would overflow.
    unit = max(float(np.abs(losses).max()), float(np.finfo(np.float32).tiny))
    return Fall(*(unit * fall for fall in _fall_of(losses / unit, jitter / unit)))


def _fall_of(losses: np.ndarray, jitter: float) -> Fall:
    curve = smooth(losses)
    end, late = float(curve[-1]), curve[len(curve) // 2 :]
    pace = _pace(losses, jitter)
    fit = _fit(losses, jitter)
    if fit is None:
        return Fall(0.0, 0.0, pace.most, end, 0.0)
    ahead = -_members(np.array([2.0, 1.0 + HORIZON, 1.0 + _EVER]), fit.members)
    falls = np.maximum(fit.rates[0], 0) * ahead[0]
    rises = np.max(late - np.minimum.accumulate(late))
    if falls[0] > _OTHERWISE * pace.next and rises > pace.next:
        # It falls in cycles, and where in one of them the run ends is chance.
        pace = _Pace(pace.next / 4, pace.least / 4, pace.most, 0.0)
    slow, fast = (
        np.maximum(fit.rates + chance * fit.errors, 0)[:, None] * ahead
        for chance in (-2, 2)
    )
    return Fall(
        next=min(float(falls[0]), pace.next),
        least=min(float(slow[:, 0].min()), pace.least),
        most=min(float(fast[:, 0].max()), pace.most),
        floor=min(fit.end, end) - min(float(falls[1]), HORIZON * pace.most),
        ever=min(float(slow[:, 2].min()), pace.ever),
    )


class _Pace(NamedTuple):
    """What the lowest losses allow: next, at least and at most; and in the end."""

    next: float
    least: float
    most: float
    ever: float


def _pace(losses: np.ndarray, jitter: float) -> _Pace:
    """By how much the lowest loss of the second half is below that of the first.

    What goes up and down again, as with restarts, falls only where it is lower than
    ever. Two more halves at that pace are as many epochs again.
    """
    half = len(losses) // 2
    fall = float(losses[: half + 1].min() - losses[half:].min())
    # The lowest of many losses are about as uncertain as a single one.
    chances = (0.0, -jitter, jitter)
    likely, least, most = (2 * max(fall + chance, 0.0) for chance in chances)
    return _Pace(likely, least, most, _EVER * least)


class _Fit(NamedTuple):
    """Members of the families that describe a curve's end, the best one first.

    Attributes:
        rates: the fall of each per run, at the end.
        errors: their standard errors.
        members: their numbers; those of the power laws are negative.
        end: where the best one ends.
    """

    rates: np.ndarray
    errors: np.ndarray
    members: np.ndarray
    end: float


def _fit(losses: np.ndarray, jitter: float) -> _Fit | None:
    found = None
    for part in _STRETCHES:
        length = math.ceil(part * len(losses))
        if length < _FEWEST:
            break
        found, misfit = _fit_stretch(losses, length, jitter)
        if misfit < _MISFIT:
            break
    return found


def _fit_stretch(losses: np.ndarray, length: int, jitter: float) -> tuple[_Fit, float]:
    times, medians, error = _medians(losses, length, jitter)
    families = (_refine(times, medians, family) for family in (_RATES, -_POWERS))
    members = np.concatenate(list(families))
    rates, squares, spreads = _least_squares(times, medians, members)
    size = math.sqrt(squares.min() / max(len(times) - 3, 1))
    noise = max(size, error, _LEAST_ERROR * float(np.abs(medians).max()))
    # Two standard errors: as far as the data allow another shape.
    likely = np.flatnonzero(squares <= squares.min() + 4 * noise**2)
    order = likely[np.argsort(squares[likely], kind="stable")]
    first = order[0]
    (shape,) = _members(times, members[[first]])  # it is 0 at the end of the run
    end = float(np.mean(medians) - rates[first] * np.mean(shape))
    misfit = size / max(error, _LEAST_ERROR)
    residuals = medians - end - rates[first] * shape
    astray = np.sum(np.diff(residuals) ** 2) < _ASTRAY * np.sum(residuals**2)
    if astray and size > error / 2:
        misfit = math.inf
    return _Fit(rates[order], noise * spreads[order], members[order], end), misfit


def _refine(times: np.ndarray, medians: np.ndarray, members: np.ndarray) -> np.ndarray:
    """A family with more members about its best."""
    for width in _FINER:
        best = members[np.argmin(_least_squares(times, medians, members)[1])]
        members = np.r_[best * np.geomspace(1 / width, width, 81), members]
    return members


def _medians(
    losses: np.ndarray, length: int, jitter: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Times and medians of short stretches of the last epochs, and their error."""
    width = max(1, length // _MEDIANS)
    width -= 1 - width % 2  # a median of an odd number is one of the values
    count = length // width
    start = len(losses) - count * width
    medians = np.median(losses[start:].reshape(count, width), axis=1)
    middles = start + (width + 1) / 2 + width * np.arange(count)
    # A median has π/2 times the variance of a mean.
    loss = math.sqrt(math.pi / 2) if width > 1 else 1.0
    return middles / len(losses), medians, loss * jitter / math.sqrt(width)


def _members(times: np.ndarray, members: np.ndarray) -> _Members:
    numbers = members[:, None]
    with np.errstate(over="ignore"):
        falls = np.expm1(-np.abs(numbers) * (times - 1)) / np.abs(numbers)
        powers = np.expm1(-np.abs(numbers) * np.log(times)) / np.abs(numbers)
    return np.where(numbers > 0, falls, powers)


def _least_squares(
    times: np.ndarray, medians: np.ndarray, members: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slopes, sums of squared residuals, and the slopes' errors per unit of noise."""
    shapes = _members(times, members)
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    values = medians - medians.mean()
    weight = np.sum(shapes**2, axis=1)
    rates = shapes @ values / weight
    residuals = values - rates[:, None] * shapes
    # What rises is described by no fall.
    squares = np.where(rates > 0, np.sum(residuals**2, axis=1), values @ values)
    return rates, squares, 1 / np.sqrt(weight)
