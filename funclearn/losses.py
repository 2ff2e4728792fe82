"""Losses that refuse unequal shapes, and penalties on the parameters.

A loss is `(predictions, targets) -> scalar`: small for a good prediction, averaged
over everything that it is given. Subtracting `(n,)` from `(n, 1)` would broadcast to
`(n, n)` without a word, so every loss compares the shapes first, while tracing.

Predictions and targets are real numbers of any dtype. A loss has the dtype that JAX
gives them together as floats; but float32 for float16, whose range ends at 65504, where
squares soon are.

A penalty is `params -> scalar`, added to the loss by `funclearn.make_objective`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from funclearn._arrays import (
    Arrays,
    accumulator,
    as_array,
    check_real,
    errors_of,
    narrowed,
)
from funclearn._checks import check_floating, check_not_negative, check_positive
from funclearn._types import Params, Penalty, Scalar, ScalarLike

__all__ = ["cross_entropy", "huber", "l1", "l2", "mae", "mse"]


def mse(predictions: Arrays, targets: Arrays) -> Scalar:
    """Mean squared error, mean((predictions - targets)²).

    Args:
        predictions: any shape.
        targets: the same shape.

    Raises:
        TypeError: if either is no array of real numbers.
        ValueError: if the shapes differ, or there is nothing to average.

    Example:
        >>> print(fl.losses.mse(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])))
        2.0
    """
    errors, dtype = errors_of(predictions, targets)
    return jnp.mean(optax.squared_error(errors)).astype(dtype)


def mae(predictions: Arrays, targets: Arrays) -> Scalar:
    """Mean absolute error, mean(|predictions - targets|).

    Args:
        predictions: any shape.
        targets: the same shape.

    Raises:
        TypeError: if either is no array of real numbers.
        ValueError: if the shapes differ, or there is nothing to average.
    """
    errors, dtype = errors_of(predictions, targets)
    return jnp.mean(_absolute(errors)).astype(dtype)


def huber(
    predictions: Arrays,
    targets: Arrays,
    *,
    delta: ScalarLike = 1.0,
) -> Scalar:
    """Mean Huber loss: quadratic for errors up to `delta`, linear beyond.

    With e = |predictions - targets|, the mean of e²/2 where e <= delta and of
    delta (e - delta/2) elsewhere.

    Args:
        predictions: any shape.
        targets: the same shape.
        delta: where the loss turns from quadratic to linear, in the targets' unit.

    Raises:
        TypeError: if either is no array of real numbers.
        ValueError: if the shapes differ, or there is nothing to average, or `delta`
            is not positive.

    References:
        Huber, Robust estimation of a location parameter, 1964.
    """
    errors, dtype = errors_of(predictions, targets)
    check_positive("delta", delta)
    return jnp.mean(optax.huber_loss(errors, delta=delta)).astype(dtype)


def cross_entropy(logits: Arrays, labels: Arrays) -> Scalar:
    """Mean softmax cross-entropy, mean(-log softmax(logits)[label]).

    Args:
        logits: unnormalised log-probabilities, `(..., classes)`.
        labels: integers in `[0, classes)`, `(...)`; others give NaN.

    Raises:
        ValueError: if `labels` does not have the shape of `logits` without its last
            axis, or there is nothing to average.
        TypeError: if the labels are not integers, or the logits not real numbers.
    """
    logits, labels = as_array("logits", logits), as_array("labels", labels)
    check_real("logits", logits)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(f"labels must be integers; got {labels.dtype}.")
    if jnp.ndim(logits) == 0 or jnp.shape(logits)[:-1] != jnp.shape(labels):
        raise ValueError(
            "labels must have the shape of the logits without its last axis, "
            f"the classes; got labels {jnp.shape(labels)} and logits "
            f"{jnp.shape(logits)}."
        )
    _check_something("logits", logits)
    inside, dtype = accumulator(logits)
    logits = jnp.asarray(narrowed("logits", logits), inside)
    labels = jnp.asarray(narrowed("labels", labels))
    # Bytes do not hold the number of classes, which negative labels are added to.
    labels = labels.astype(jnp.result_type(labels, jnp.int32))
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    # Negative labels would count from the last class.
    return jnp.mean(jnp.where(labels >= 0, losses, jnp.nan)).astype(dtype)


def l1(strength: ScalarLike) -> Penalty:
    """The penalty strength · Σ|p| over every parameter p; it favours zeros.

    Args:
        strength: the factor, not negative.

    Raises:
        ValueError: if `strength` is negative.
    """
    return _penalty(strength, _absolute)


def l2(strength: ScalarLike) -> Penalty:
    """The penalty strength · Σp² over every parameter p; it favours small values.

    Args:
        strength: the factor, not negative.

    Raises:
        ValueError: if `strength` is negative.
    """
    return _penalty(strength, jnp.square)


def _penalty(strength: ScalarLike, size: Callable[[Array], Array]) -> Penalty:
    check_not_negative("strength", strength)

    def penalty(params: Params) -> Scalar:
        check_floating("params", params)
        leaves = jax.tree.leaves(params)
        inside, dtype = accumulator(strength, *leaves)
        sizes = [jnp.sum(size(jnp.asarray(leaf, inside))) for leaf in leaves]
        return (strength * jnp.sum(jnp.stack(sizes))).astype(dtype)

    return penalty


def _absolute(values: Array) -> Array:
    # The slope of jnp.abs at 0 is 1; here it is 0, the mean of those on both sides.
    return values * jnp.sign(values)


def _check_something(name: str, array: Arrays) -> None:
    if jnp.size(array) == 0:
        raise ValueError(f"{name} must not be empty; got shape {jnp.shape(array)}.")
