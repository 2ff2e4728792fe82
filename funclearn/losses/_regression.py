"""Losses of predictions that have the shape of their targets."""

from collections.abc import Callable

import jax.numpy as jnp
import optax
from jaxtyping import Array, PyTree

from funclearn._arrays import Arrays, accumulator, errors_of
from funclearn._checks import check_positive
from funclearn._types import Scalar, ScalarLike
from funclearn._weights import as_weights, weighted_mean, without

__all__ = ["absolute", "huber", "mae", "mean_of", "mse"]


def mse(predictions: Arrays, targets: Arrays, weights: PyTree = None) -> Scalar:
    """Mean squared error, mean((predictions - targets)²).

    Args:
        predictions: any shape.
        targets: the same shape.
        weights: of the rows, or of more leading axes; None: all count alike.

    Raises:
        TypeError: if one is no array of real numbers.
        ValueError: if the shapes differ, or there is nothing to average.

    Example:
        >>> predictions, targets = jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])
        >>> print(fl.losses.mse(predictions, targets))
        2.0
        >>> print(fl.losses.mse(predictions, targets, weights=jnp.array([3, 1])))
        1.0
    """
    return _mean(optax.squared_error, predictions, targets, weights)


def mae(predictions: Arrays, targets: Arrays, weights: PyTree = None) -> Scalar:
    """Mean absolute error, `mean(|predictions - targets|)`.

    Args:
        predictions: any shape.
        targets: the same shape.
        weights: of the rows, or of more leading axes; None: all count alike.

    Raises:
        TypeError: if one is no array of real numbers.
        ValueError: if the shapes differ, or there is nothing to average.
    """
    return _mean(absolute, predictions, targets, weights)


def huber(
    predictions: Arrays,
    targets: Arrays,
    weights: PyTree = None,
    *,
    delta: ScalarLike = 1.0,
) -> Scalar:
    """Mean Huber loss: quadratic for errors up to `delta`, linear beyond.

    With `e = |predictions - targets|`, the mean of e²/2 where e <= delta and of
    delta (e - delta/2) elsewhere.

    Args:
        predictions: any shape.
        targets: the same shape.
        weights: of the rows, or of more leading axes; None: all count alike.
        delta: where the loss turns from quadratic to linear, in the targets' unit.

    Raises:
        TypeError: if one is no array of real numbers.
        ValueError: if the shapes differ, or there is nothing to average, or `delta`
            is not positive.

    References:
        Huber, Robust estimation of a location parameter, 1964.
    """

    def of_errors(errors: Array) -> Array:
        check_positive("delta", delta)
        return optax.huber_loss(errors, delta=delta)

    return _mean(of_errors, predictions, targets, weights)


def _mean(
    of_errors: Callable[[Array], Array],
    predictions: Arrays,
    targets: Arrays,
    weights: PyTree,
) -> Scalar:
    errors, dtype = errors_of(predictions, targets)
    if weights is not None:
        weights = as_weights(weights, errors.shape)
    losses = of_errors(without(errors, weights))
    return weighted_mean(losses, weights).astype(dtype)


def mean_of(losses: Callable[..., Array]) -> Callable[..., Scalar]:
    """Makes a loss of a function that gives every row, or every entry, its own.

    Args:
        losses: `(predictions, targets) -> (n, ...)`, such as those of optax.

    Returns:
        `(predictions, targets, weights=None) -> scalar`, their mean; with weights that
        of what counts.

    Raises:
        ValueError: when it is called, if there is nothing to average, or the weights do
            not fit.

    Example:
        >>> log_cosh = fl.losses.mean_of(optax.losses.log_cosh)
        >>> print(f"{log_cosh(jnp.array([0.0, 2.0]), jnp.zeros(2)):.3f}")
        0.663
    """

    def loss(predictions: PyTree, targets: PyTree, weights: PyTree = None) -> Scalar:
        values = jnp.asarray(losses(predictions, targets))
        if not values.ndim or not values.size:
            raise ValueError(
                "losses must return one number a row at least; got shape "
                f"{values.shape}."
            )
        inside, dtype = accumulator(values)
        if weights is not None:
            weights = as_weights(weights, values.shape)
        return weighted_mean(values.astype(inside), weights).astype(dtype)

    return loss


def absolute(values: Array) -> Array:
    """Absolute values, with a derivative of 0 at 0, the mean of those on both sides."""
    # That of jnp.abs is 1, with which a perfect fit would not stay where it is.
    return values * jnp.sign(values)
