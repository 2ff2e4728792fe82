"""How often the right class is predicted."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from funclearn._checks import integer_at_least
from funclearn.metrics._classes import predicted, read_classes, unknown
from funclearn.metrics._metric import Metric

__all__ = ["accuracy", "top_k_accuracy"]


def top_k_accuracy(k: int) -> Metric:
    """How often the label is among the k classes with the largest logits.

    Of equal logits those of lower classes come first.

    Args:
        k: number of classes, at least 1.

    Returns:
        A metric of logits `(..., classes)` and labels `(...)`, between 0 and 1.

    Raises:
        TypeError: if `k` is no integer; when it is called, if labels are no integers.
        ValueError: if `k` is less than 1; when it is called, if there are fewer classes
            or the shapes do not fit.

    Example:
        >>> logits = jnp.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])
        >>> print(fl.metrics.top_k_accuracy(2)(logits, jnp.array([2, 1])))
        0.5
    """
    k = integer_at_least("k", k, 1)

    def gather(predictions: PyTree, targets: PyTree, weights: PyTree) -> PyTree:
        logits, labels, weights = read_classes(predictions, targets, weights)
        if logits.ndim == labels.ndim or logits.shape[-1] < k:
            raise ValueError(
                f"predictions must be logits of {k} classes at least; got shape "
                f"{logits.shape}."
            )
        _, best = jax.lax.top_k(logits, k)
        right = jnp.any(best == labels[..., None], axis=-1)
        return _counts(right & ~unknown(logits, labels), weights)

    return Metric(gather, _share)


def _gather_right(predictions: PyTree, targets: PyTree, weights: PyTree) -> PyTree:
    logits, labels, weights = read_classes(predictions, targets, weights)
    return _counts(predicted(logits, labels) == labels, weights)


def _counts(right: Array, weights: Float[Array, "..."]) -> tuple[Array, Array]:
    weights = jnp.broadcast_to(weights, right.shape)
    return jnp.sum(weights * right), jnp.sum(weights)


def _share(sums: tuple[Array, Array]) -> Array:
    right, total = sums
    return right / total


accuracy = Metric(_gather_right, _share)
"""How often the predicted class is the label, between 0 and 1; NaN of nothing."""
