"""Finite differences that know their own error.

Besides the errors of their extrapolation (see `_extrapolation`) there is the question
whether the steps ever reached the scale on which the function changes: beyond it, the
function may look as flat as a plateau. They have reached it where the slopes on every
side of the point come together as the steps shrink, or come to a kink.

Where the function has values on one side of the point alone, as the square root has at
zero, the derivative is that of this side.
"""

from typing import NamedTuple

import numpy as np

from funclearn.gradients._extrapolation import Estimate, extrapolate
from funclearn.gradients._stencil import STEPS, Stencil

__all__ = ["SAFETY", "Differences", "differences"]

SAFETY = 10
"""How many times its estimate an error may be: the estimate is one of size, and now and
then it is several times too small."""

# What the fourth extrapolation leaves has the power h¹⁰: less than float64 resolves at
# a step of 1/64 of the size. Of what is alike on all sides the odd powers are left, and
# of one side alone every power; at the edge of a root they are multiples of one half.
_EVEN, _ODD, _ALL = (2.0, 4.0, 6.0, 8.0), (1.0, 3.0, 5.0, 7.0), (1.0, 2.0, 3.0, 4.0)
_HALVES = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)

# The step at which it is judged how much a function changes, 1/64 of the size.
_MODERATE = 3

# The last two steps have to show where the slopes tend to.
_FINE = STEPS - 2

# Slopes that come together as slowly as h^⅓ are less than a quarter as far apart three
# steps later: slower ones may as well not.
_COMES_TOGETHER = 0.25

# A share of the slope below every error that is asked for.
_HARMLESS = 1e-4

# Smooth functions are seen far more sharply than this.
_SHARP = 1e-8

# An error of a tenth is too large to say that anything disagrees.
_ROUGH = 0.1


class Differences(NamedTuple):
    """Derivatives by differences, one a coordinate.

    Attributes:
        values: the derivative; at a kink, the mean of those on either side.
        truncation: its error from steps that are not zero; infinite where there is
            no finite difference.
        rounding: its error from the noise of the function.
        kinks: half of what the derivatives on either side differ by, zero where that
            cannot be told from noise.
        changes: how much the function changes at a moderate step, over that step; zero
            where that is no more than noise.
        sides: where the derivative was taken: 1 above the point alone, -1 below, 0 on
            both sides.
        settled: whether the steps reached the scale on which the function changes.
    """

    values: np.ndarray
    truncation: np.ndarray
    rounding: np.ndarray
    kinks: np.ndarray
    changes: np.ndarray
    sides: np.ndarray
    settled: np.ndarray

    @property
    def bounds(self) -> np.ndarray:
        """How far off the values may be."""
        errors = SAFETY * (self.truncation + self.rounding)
        return np.where(self.settled, errors, np.inf)


def differences(
    stencil: Stencil, samples: np.ndarray, centre: float, noise: float
) -> Differences:
    """Turns samples into derivatives.

    Args:
        stencil: where they were taken.
        samples: `(coordinates, steps, samples)`.
        centre: the function at the point itself.
        noise: its rounding error there.
    """
    count = stencil.weights.size
    corners = samples[..., :count]
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(np.where(np.isfinite(corners), corners, 0)), axis=-1)
        noises = np.maximum(noise, np.finfo(float).eps * largest) / stencil.spans
        quotients = corners @ stencil.weights / count / stencil.spans
        slopes = _slopes(stencil, samples, centre)
        central = extrapolate(quotients, noises, _EVEN)
        kinks = _kinks(slopes, noises)
        found = Differences(
            *central,
            kinks=kinks,
            changes=_changes(corners - centre, noises, stencil.spans),
            sides=np.zeros(len(slopes)),
            settled=_come_together(slopes, noises, central, kinks),
        )
        if count == 2:
            found = _by_sides(found, stencil, samples, centre, noise)
        return found._replace(settled=found.settled & ~_is_rough(found))


def _slopes(stencil: Stencil, samples: np.ndarray, centre: float) -> np.ndarray:
    """Quotients of each side alone, `(coordinates, steps, corners)`.

    For order 2 the sides are the quadrants of h and t, and what a function does along
    either alone is taken off.
    """
    rises = samples - centre
    if stencil.weights.size == 4:
        along = np.repeat(rises[..., 4:6], 2, axis=-1)
        across = np.tile(rises[..., 6:], 2)
        rises = rises[..., :4] - along - across
    return rises * stencil.weights / stencil.reaches


def _changes(rises: np.ndarray, noises: np.ndarray, spans: np.ndarray) -> np.ndarray:
    rises, noises = rises[:, _MODERATE], noises[:, _MODERATE]
    rises = np.where(np.isfinite(rises), np.abs(rises), 0.0)
    changes = np.max(rises, axis=-1) / spans[:, _MODERATE]
    return np.where(changes > SAFETY * noises, changes, 0.0)


def _kinks(slopes: np.ndarray, noises: np.ndarray) -> np.ndarray:
    """Half of what the slopes on opposite sides differ by, in the end."""
    n_pairs = slopes.shape[-1] // 2
    kinks = np.zeros(len(slopes))
    for pair in range(n_pairs):
        bends = (slopes[..., pair] - slopes[..., -1 - pair]) / 2
        bend, truncation, rounding = extrapolate(bends, 2 * n_pairs * noises, _ODD)
        seen = np.abs(bend) > SAFETY * (truncation + rounding)
        kinks = np.maximum(kinks, np.where(seen, np.abs(bend), 0.0))
    return kinks


def _come_together(
    slopes: np.ndarray, noises: np.ndarray, central: Estimate, kinks: np.ndarray
) -> np.ndarray:
    """Whether the slopes of all sides tend to the derivative, or to a kink."""
    apart = np.max(np.abs(slopes - central.values[:, None, None]), axis=-1)
    apart = np.where(np.isfinite(apart), apart, 0.0)
    coarse = np.max(apart[:, : _FINE - 2], axis=1)
    size = np.maximum(np.abs(central.values), kinks)
    errors = SAFETY * (central.truncation + central.rounding)
    granted = 2 * kinks + _COMES_TOGETHER * coarse + _HARMLESS * size + errors
    # What is noise in the difference of two samples is more in that of several.
    rounding = SAFETY * slopes.shape[-1] * noises[:, _FINE:]
    return np.all(~(apart[:, _FINE:] > granted[:, None] + rounding), axis=1)


def _by_sides(
    found: Differences,
    stencil: Stencil,
    samples: np.ndarray,
    centre: float,
    noise: float,
) -> Differences:
    """Takes each side by itself, where there is one alone, or both differ in curvature.

    Where the second derivative jumps, as that of a squared relu does, what the sides
    have in common has every power of the step, and each of them is smooth.
    """
    usable = np.isfinite(samples[:, -1])
    both = usable.all(axis=1)
    sides = np.where(both, 0.0, usable @ stencil.weights)
    size = np.maximum(np.abs(found.values), found.changes)
    blurred = both & (found.truncation + found.rounding > _SHARP * size)
    (rows,) = np.nonzero((sides != 0) | blurred)
    if not rows.size:
        return found
    above, below = (
        _side(samples[rows, :, side], stencil.reaches[rows, :, side], centre, noise)
        for side in range(2)
    )
    below = below._replace(values=-below.values)
    mean = Estimate(
        *((one + other) / 2 for one, other in zip(above, below, strict=True))
    )
    half = np.abs(above.values - below.values) / 2
    seen = half > SAFETY * (mean.truncation + mean.rounding)
    here = sides[rows]
    old = Estimate(*(column[rows] for column in found[:3]))
    smaller = mean.truncation + mean.rounding < old.truncation + old.rounding
    which = [here > 0, here < 0, smaller]
    found = Differences(*(column.copy() for column in found))
    columns = zip(found[:3], above, below, mean, old, strict=True)
    for column, *estimates, other in columns:
        column[rows] = np.select(which, estimates, other)
    kinks = np.where(smaller, seen * half, found.kinks[rows])
    found.kinks[rows] = np.where(here == 0, kinks, 0.0)
    found.settled[rows] |= here != 0
    return found._replace(sides=sides)


def _side(
    samples: np.ndarray, reaches: np.ndarray, centre: float, noise: float
) -> Estimate:
    """The slope of one side, in the direction away from the point."""
    noises = np.maximum(noise, np.finfo(float).eps * np.abs(samples)) / reaches
    quotients = (samples - centre) / reaches
    whole = extrapolate(quotients, 2 * noises, _ALL)
    # Twice the last quotient less the one before it has three times their noise.
    halves = extrapolate(quotients, 6 * noises, _HALVES)
    better = halves.truncation + halves.rounding < whole.truncation + whole.rounding
    return Estimate(
        *(np.where(better, *pair) for pair in zip(halves, whole, strict=True))
    )


def _is_rough(found: Differences) -> np.ndarray:
    """Whether more than the noise of the function leaves the derivative open."""
    size = np.maximum(np.abs(found.values), np.maximum(found.kinks, found.changes))
    explained = np.maximum(_ROUGH * size, SAFETY**2 * found.rounding)
    return SAFETY * found.truncation > explained
