"""How much of the targets' variance is explained."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from funclearn._arrays import accumulator, as_array, errors_of, narrowed
from funclearn._weights import as_weights, ratio, without
from funclearn.metrics._metric import Metric

__all__ = ["r2"]


class _Variance(NamedTuple):
    """Of the targets, column by column, and of the errors.

    Attributes:
        total: sum of the weights.
        first: the targets of the first row, which a large mean is counted from.
        mean: of the targets, less those.
        spread: weighted sum of squared deviations of the targets from it.
        errors: weighted sum of squared errors.
    """

    total: Float[Array, ""]
    first: Float[Array, "*row"]
    mean: Float[Array, "*row"]
    spread: Float[Array, "*row"]
    errors: Float[Array, "*row"]


def _gather_variance(
    predictions: PyTree, targets: PyTree, weights: PyTree
) -> _Variance:
    errors, _ = errors_of(predictions, targets)
    values = as_array("targets", targets)
    inside, _ = accumulator(values, errors)
    values = jnp.asarray(narrowed("targets", values)).astype(inside)
    counted = jnp.ones(len(values), inside)
    if weights is not None:
        counted = as_weights(weights, values.shape[:1]).astype(inside)
    counted = counted.reshape(-1, *(1,) * (values.ndim - 1))
    values, errors = (without(one, counted) for one in (values, errors))
    total = jnp.sum(counted)
    above = values - values[:1]
    mean = ratio(jnp.sum(counted * above, axis=0), total)
    spread = jnp.sum(counted * (above - mean[None]) ** 2, axis=0)
    total_errors = jnp.sum(counted * errors**2, axis=0)
    return _Variance(total, values[0], mean, spread, total_errors)


def _merge_variances(one: _Variance, other: _Variance) -> _Variance:
    # Chan, Golub, LeVeque, Updating formulae and a pairwise algorithm, 1979.
    total = one.total + other.total
    gap = (other.first - one.first) + (other.mean - one.mean)
    part = ratio(other.total, total)
    spread = one.spread + other.spread + gap**2 * one.total * part
    errors = one.errors + other.errors
    return _Variance(total, one.first, one.mean + gap * part, spread, errors)


def _explained(sums: _Variance) -> Float[Array, ""]:
    return jnp.mean(1 - sums.errors / sums.spread)


r2 = Metric(_gather_variance, _explained, _merge_variances)
"""The coefficient of determination, 1 - Σ(y - p)² / Σ(y - mean(y))².

Of predictions and targets of one shape, `(n,)` or `(n, ...)`; the mean over columns.
1 is a perfect fit, 0 that of the mean. Targets that do not vary have none: NaN, or
-inf. The weights are those of rows, `(n,)`.
"""
