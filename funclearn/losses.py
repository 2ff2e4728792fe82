"""Losses that refuse unequal shapes, and penalties on the parameters.

A loss is `(predictions, targets) -> scalar`: small for a good prediction, averaged
over everything that it is given. Subtracting `(n,)` from `(n, 1)` would broadcast to
`(n, n)` without a word, so every loss compares the shapes first, while tracing.

A penalty is `params -> scalar`, added to the loss by `funclearn.make_objective`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Shaped

from funclearn._checks import check_not_negative, check_positive
from funclearn._types import Params, Penalty, Scalar, ScalarLike

__all__ = ["cross_entropy", "huber", "l1", "l2", "mae", "mse"]


def mse(predictions: Shaped[Array, "..."], targets: Shaped[Array, "..."]) -> Scalar:
    """Mean squared error, mean((predictions - targets)²).

    Args:
        predictions: any shape.
        targets: the same shape.

    Raises:
        ValueError: if the shapes differ, or there is nothing to average.

    Example:
        >>> print(fl.losses.mse(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])))
        2.0
    """
    _check_equal_shapes(predictions, targets)
    return jnp.mean(optax.squared_error(predictions, targets))


def mae(predictions: Shaped[Array, "..."], targets: Shaped[Array, "..."]) -> Scalar:
    """Mean absolute error, mean(|predictions - targets|).

    Args:
        predictions: any shape.
        targets: the same shape.

    Raises:
        ValueError: if the shapes differ, or there is nothing to average.
    """
    _check_equal_shapes(predictions, targets)
    return jnp.mean(_absolute(predictions - targets))


def huber(
    predictions: Shaped[Array, "..."],
    targets: Shaped[Array, "..."],
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
        ValueError: if the shapes differ, or there is nothing to average, or `delta`
            is not positive.

    References:
        Huber, Robust estimation of a location parameter, 1964.
    """
    _check_equal_shapes(predictions, targets)
    check_positive("delta", delta)
    return jnp.mean(optax.huber_loss(predictions, targets, delta=delta))


def cross_entropy(logits: Float[Array, "..."], labels: Shaped[Array, "..."]) -> Scalar:
    """Mean softmax cross-entropy, mean(-log softmax(logits)[label]).

    Args:
        logits: unnormalised log-probabilities, `(..., classes)`.
        labels: integers in `[0, classes)`, `(...)`; others give NaN.

    Raises:
        ValueError: if `labels` does not have the shape of `logits` without its last
            axis, or there is nothing to average.
        TypeError: if the labels are not integers.
    """
    if not jnp.issubdtype(jnp.result_type(labels), jnp.integer):
        raise TypeError(f"labels must be integers; got {jnp.result_type(labels)}.")
    if jnp.ndim(logits) == 0 or jnp.shape(logits)[:-1] != jnp.shape(labels):
        raise ValueError(
            "labels must have the shape of the logits without its last axis, "
            f"the classes; got labels {jnp.shape(labels)} and logits "
            f"{jnp.shape(logits)}."
        )
    _check_something("logits", logits)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    # Negative labels would count from the last class.
    return jnp.mean(jnp.where(labels >= 0, losses, jnp.nan))


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
        sizes = [jnp.sum(size(leaf)) for leaf in jax.tree.leaves(params)]
        return strength * jnp.sum(jnp.stack(sizes))

    return penalty


def _absolute(values: Array) -> Array:
    # The slope of jnp.abs at 0 is 1; here it is 0, the mean of those on both sides.
    return values * jnp.sign(values)


def _check_equal_shapes(predictions: Array, targets: Array) -> None:
    got, needed = jnp.shape(predictions), jnp.shape(targets)
    if got != needed:
        raise ValueError(
            f"predictions and targets must have one shape; got predictions {got} and "
            f"targets {needed}, which NumPy's rules would broadcast or refuse."
        )
    _check_something("predictions", predictions)


def _check_something(name: str, array: Array) -> None:
    if jnp.size(array) == 0:
        raise ValueError(f"{name} must not be empty; got shape {jnp.shape(array)}.")
