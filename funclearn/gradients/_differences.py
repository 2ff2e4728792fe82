"""Finite differences that know their own error.

A function is sampled on both sides of a point, at steps that shrink by a factor of
four from the size of the coordinate, and the quotients are extrapolated to step 0
(Richardson). The two errors of a difference are estimated apart:

- truncation, by how much the estimates differ that were extrapolated last (that is
  the error of the worse of them, so the result may be far better);
- rounding, the noise of the function over the smallest step that was used.

Of all extrapolations the one of smallest error is taken, once every finer one has been
heard: where two contradict each other beyond their errors, the excess is added to the
error of the coarser (Lepskii's rule). So no accidental agreement is trusted.

References:
    Ridders, Accurate computation of F'(x) and F'(x) F''(x), Advances in Engineering
    Software 4, 1982.
    Lepskii, On a problem of adaptive estimation in Gaussian white noise, Theory of
    Probability and its Applications 35, 1991.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["SAFETY", "Differences", "Stencil", "differences", "sizes_of", "stencil"]

SAFETY = 10
"""How many times its estimate an error may be: the estimate is one of size, and now and
then it is several times too small."""

# A power of two, so that steps from a size that is one are exact.
_RATIO = 4.0
# They end at 4**-11 = 2e-7 of the size: well below ∛ε = 6e-6, at which the two errors
# of a plain central difference are of one size in float64.
_STEPS = 12
# What the fourth extrapolation leaves has the power h¹⁰: less than float64 resolves at
# a step of 1/64 of the size.
_ORDERS = 4
# The step at which it is judged how much a function changes, 1/64 of the size.
_MODERATE = 3


class Stencil(NamedTuple):
    """Where to sample a function around a point.

    Attributes:
        moves: `(coordinates, steps, samples)`, what to add to the coordinate; the
            largest steps first.
        shifts: `(steps, samples)`, how far to go along the direction besides.
        weights: `(samples,)`, ±1: with them the samples add up to the difference.
        spans: `(coordinates, steps)`, the difference over `samples * spans` is the
            quotient.
    """

    moves: np.ndarray
    shifts: np.ndarray
    weights: np.ndarray
    spans: np.ndarray


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
    """

    values: np.ndarray
    truncation: np.ndarray
    rounding: np.ndarray
    kinks: np.ndarray
    changes: np.ndarray

    @property
    def bounds(self) -> np.ndarray:
        """How far off the values may be."""
        return SAFETY * (self.truncation + self.rounding)


def sizes_of(point: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """The size of every coordinate, a power of two so that sums with it are exact.

    Args:
        point: `(coordinates,)`.
        typical: the least size, what is typical of the array that a coordinate is in.
    """
    size = np.maximum(np.abs(point), typical)
    return 2.0 ** np.floor(np.log2(np.where(size > 0, size, 1.0)))


def stencil(point: np.ndarray, largest: np.ndarray, order: int) -> Stencil:
    """The samples of first differences, or of second ones with a direction d.

        order 1    f(p + h) - f(p - h)
        order 2    f(p + h + td) - f(p + h - td) - f(p - h + td) + f(p - h - td)

    Args:
        point: `(coordinates,)`.
        largest: the first h of every coordinate; the first t is 1.
        order: 1 or 2.
    """
    shrinking = _RATIO ** -np.arange(_STEPS)
    steps = largest[:, None] * shrinking
    # A sum is rounded: what counts is the distance between its two sides.
    distances = (point[:, None] + steps) - (point[:, None] - steps)
    sides, shifts = np.array([1.0, -1.0]), np.zeros(2)
    weights, spans = sides, distances / 2
    if order == 2:
        sides, shifts = np.repeat(sides, 2), np.tile(sides, 2)
        weights, spans = sides * shifts, spans * shrinking
    return Stencil(
        steps[..., None] * sides, shrinking[:, None] * shifts, weights, spans
    )


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
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(samples), axis=-1)
        noises = np.maximum(noise, np.finfo(float).eps * largest) / stencil.spans
        quotients = samples @ stencil.weights / samples.shape[-1] / stencil.spans
        values, truncation, rounding = _extrapolate(quotients, noises, first=2)
        rises = samples - centre
        kinks = _kinks(stencil, rises, noises)
        changes = np.max(np.abs(rises[:, _MODERATE]), axis=-1)
        changes /= stencil.spans[:, _MODERATE]
        seen = changes > SAFETY * noises[:, _MODERATE]
    return Differences(values, truncation, rounding, kinks, np.where(seen, changes, 0))


def _kinks(stencil: Stencil, rises: np.ndarray, noises: np.ndarray) -> np.ndarray:
    if stencil.shifts.any():
        return np.zeros(len(rises))
    # What rises on both sides alike: |h| times half a kink, and powers h², h⁴, ...
    bends = np.mean(rises, axis=-1) / stencil.spans
    bend, truncation, rounding = _extrapolate(bends, 2 * noises, first=1)
    seen = np.abs(bend) > SAFETY * (truncation + rounding)
    return np.where(seen, np.abs(bend), 0.0)


def _extrapolate(
    quotients: np.ndarray, noises: np.ndarray, *, first: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Extrapolates to step 0 where the error has the powers first, first + 2, ...

    Returns:
        The value, the truncation and the rounding error of the best estimates.
    """
    column, columns = quotients, []
    for order in range(_ORDERS):
        refinement = np.diff(column, axis=1)
        column = column[:, 1:] + refinement / (_RATIO ** (first + 2 * order) - 1)
        finest = np.arange(order + 1, _STEPS)
        kind = np.stack([np.full_like(finest, order), finest])
        columns.append((column, np.abs(refinement), noises[:, finest], kind))
    values, truncation, rounding, kind = map(np.hstack, zip(*columns, strict=True))
    usable = np.isfinite(values + truncation + rounding)
    values = np.where(usable, values, 0.0)
    rounding = np.where(usable, rounding, 0.0)
    truncation = np.where(usable, truncation, np.inf)
    truncation += _contradictions(values, truncation, rounding, *kind)
    best = np.argmin(truncation + rounding, axis=1)
    rows = np.arange(len(best))
    return values[rows, best], truncation[rows, best], rounding[rows, best]


def _contradictions(
    values: np.ndarray,
    truncation: np.ndarray,
    rounding: np.ndarray,
    order: np.ndarray,
    finest: np.ndarray,
) -> np.ndarray:
    """By how much estimates from finer steps lie farther off than errors explain.

    Their own truncation is no excuse, unless they are of lower order.
    """
    gaps = np.abs(values[:, :, None] - values[:, None, :])
    excused = (order < order[:, None]) | np.isinf(truncation)[:, None, :]
    explained = (truncation + rounding)[:, :, None] + rounding[:, None, :]
    explained = explained + np.where(excused, truncation[:, None, :], 0.0)
    excess = np.where(finest > finest[:, None], gaps - explained, 0.0)
    return np.max(excess, axis=2, initial=0.0)
