"""Where a function is sampled around a point, to take its differences.

The steps shrink by a factor of four from the size of the coordinate. Parameters of one
array mostly have one unit, so that a coordinate near zero is taken for as large as is
typical of its array; one far below that is in a unit of its own, and has its own size.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["RATIO", "STEPS", "Stencil", "sizes_of", "stencil"]

RATIO = 4.0
"""By what the steps shrink: a power of two, so that steps from a size that is one are
exact."""

STEPS = 12
"""How many there are. They end at 4**-11 = 2e-7 of the first: where that is the size,
well below ∛ε = 6e-6, at which the two errors of a plain central difference are of one
size in float64."""

# Half of the steps from the typical size are then still below that of the coordinate.
_UNIT_OF_ITS_OWN = 2.0**-10


class Stencil(NamedTuple):
    """Where to sample a function around a point.

    Attributes:
        moves: `(coordinates, steps, samples)`, what to add to the coordinate; the
            largest steps first.
        shifts: `(steps, samples)`, how far to go along the direction besides.
        weights: `(corners,)`, ±1: with them the first samples add up to the difference.
        spans: `(coordinates, steps)`, the difference over `corners * spans` is the
            quotient.
        reaches: `(coordinates, steps, corners)`, as the spans, for each corner alone.
    """

    moves: np.ndarray
    shifts: np.ndarray
    weights: np.ndarray
    spans: np.ndarray
    reaches: np.ndarray


def sizes_of(point: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """The size of every coordinate, a power of two so that sums with it are exact.

    Args:
        point: `(coordinates,)`.
        typical: what is typical of the array that a coordinate is in.
    """
    size = np.abs(point)
    has_own_unit = (size > 0) & (size < _UNIT_OF_ITS_OWN * typical)
    size = np.where(has_own_unit, size, np.maximum(size, typical))
    return 2.0 ** np.floor(np.log2(np.where(size > 0, size, 1.0)))


def stencil(point: np.ndarray, largest: np.ndarray, order: int) -> Stencil:
    """The samples of first differences, or of second ones with a direction d.

        order 1    f(p + h) - f(p - h)
        order 2    f(p + h + td) - f(p + h - td) - f(p - h + td) + f(p - h - td)

    For order 2 they are followed by those at ±h and at ±td alone.

    Args:
        point: `(coordinates,)`.
        largest: the first h of every coordinate; the first t is 1.
        order: 1 or 2.
    """
    shrinking = RATIO ** -np.arange(STEPS)
    steps = largest[:, None] * shrinking
    above, below = point[:, None] + steps, point[:, None] - steps
    # A sum is rounded: what counts is the distance that was really gone.
    spans = (above - below) / 2
    reaches = np.stack([above - point[:, None], point[:, None] - below], axis=-1)
    sides, turns = np.array([1.0, -1.0]), np.zeros(2)
    weights = sides
    if order == 2:
        sides = np.array([1.0, 1.0, -1.0, -1.0, 1.0, -1.0, 0.0, 0.0])
        turns = np.array([1.0, -1.0, 1.0, -1.0, 0.0, 0.0, 1.0, -1.0])
        weights = (sides * turns)[:4]
        spans = spans * shrinking
        reaches = np.repeat(reaches, 2, axis=-1) * shrinking[:, None]
    return Stencil(
        steps[..., None] * sides, shrinking[:, None] * turns, weights, spans, reaches
    )
