"""Extrapolation to step 0, with an estimate of its error.

Quotients at steps that shrink by a constant ratio are extrapolated power by power of
the step (Richardson). The two errors of an estimate are kept apart:

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

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from funclearn.gradients._stencil import RATIO

__all__ = ["Estimate", "extrapolate"]


class Estimate(NamedTuple):
    """Limits of quotients, each `(coordinates,)`.

    Attributes:
        values: the limits; zero where there is none.
        truncation: their error from steps that are not zero; infinite where too few of
            the quotients are finite.
        rounding: their error from the noise of the function.
    """

    values: np.ndarray
    truncation: np.ndarray
    rounding: np.ndarray


def extrapolate(
    quotients: np.ndarray, noises: np.ndarray, powers: Sequence[float]
) -> Estimate:
    """Extrapolates to step 0.

    Args:
        quotients: `(coordinates, steps)`, the largest steps first.
        noises: the noise of each.
        powers: of the step, that the error of a quotient has.

    Returns:
        The estimate of smallest error.
    """
    n_steps = quotients.shape[1]
    column, columns = quotients, []
    for order, power in enumerate(powers):
        refinement = np.diff(column, axis=1)
        column = column[:, 1:] + refinement / (RATIO**power - 1)
        finest = np.arange(order + 1, n_steps)
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
    return Estimate(values[rows, best], truncation[rows, best], rounding[rows, best])


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
