"""Losses of logits, the unnormalised log-probabilities of classes."""

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PyTree

from funclearn._arrays import (
    Arrays,
    accumulator,
    as_array,
    check_real,
    errors_of,
    is_known,
    narrowed,
)
from funclearn._checks import check_fraction, check_not_negative, is_static_number
from funclearn._types import Scalar, ScalarLike
from funclearn._weights import as_weights, ratio, weighted_mean, without

__all__ = ["binary_cross_entropy", "cross_entropy"]


def cross_entropy(
    logits: Arrays,
    labels: Arrays,
    weights: PyTree = None,
    *,
    label_smoothing: ScalarLike = 0.0,
    class_weights: PyTree = None,
) -> Scalar:
    """Mean softmax cross-entropy, mean(-log softmax(logits)[label]).

    With smoothing ε and class weights c, of k classes and l_j = -log softmax(logits)_j,

        Σ_i w_i ((1 - ε) c_y l_y + ε/k Σ_j c_j l_j) / Σ_i w_i c_y,    y the label of i,

    as PyTorch's `CrossEntropyLoss` has it.

    Args:
        logits: unnormalised log-probabilities, `(..., classes)`.
        labels: integers in `[0, classes)`, `(...)`; others give NaN where they count.
        weights: of the rows, or of more leading axes; None: all count alike.
        label_smoothing: the part of a target that all classes share, in [0, 1].
        class_weights: `(classes,)`, how much rows of each class count. None: alike.
            Parts of the data, as in `gradients.accumulated` and in means over
            minibatches, are weighted by rows and by their weights, which do the same:
            `Dataset(inputs, labels, class_weights[labels])`.

    Raises:
        ValueError: if `labels` does not have the shape of `logits` without its last
            axis, or there is nothing to average, or another argument does not fit.
        TypeError: if the labels are not integers, or the logits not real numbers.

    References:
        Szegedy et al., Rethinking the Inception architecture for computer vision,
        2016, section 7.

    Example:
        >>> logits = jnp.log(jnp.array([[0.5, 0.5], [0.2, 0.8]]))
        >>> labels = jnp.array([0, 1])
        >>> print(f"{fl.losses.cross_entropy(logits, labels):.4f}")
        0.4581
    """
    check_fraction("label_smoothing", label_smoothing)
    logits, labels, dtype = _read_classes(logits, labels)
    if weights is not None:
        weights = as_weights(weights, labels.shape)
        logits = without(logits, weights[..., None])
    shares = _class_weights(class_weights, logits.shape[-1])
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    if shares is not None:
        losses = losses * shares[labels]
    if not (is_static_number(label_smoothing) and label_smoothing == 0):
        losses = (1 - label_smoothing) * losses
        losses += label_smoothing * _of_all_classes(logits, shares)
    # Negative labels would count from the last class.
    losses = jnp.where(labels >= 0, losses, jnp.nan)
    if shares is None:
        return weighted_mean(losses, weights).astype(dtype)
    rows = jnp.ones(()) if weights is None else weights
    total = jnp.sum(rows * without(losses, weights))
    return ratio(total, jnp.sum(rows * shares[labels])).astype(dtype)


def _read_classes(logits: Arrays, labels: Arrays) -> tuple[Array, Array, np.dtype]:
    """Logits to compute with, labels, and the dtype of their loss."""
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
    if jnp.size(logits) == 0:
        raise ValueError(f"logits must not be empty; got shape {jnp.shape(logits)}.")
    if jnp.shape(logits)[-1] == 1:
        raise ValueError(
            "logits must be of two classes at least, since one is always right; got "
            f"shape {jnp.shape(logits)}: binary_cross_entropy takes one number a row."
        )
    inside, dtype = accumulator(logits)
    logits = jnp.asarray(narrowed("logits", logits), inside)
    labels = jnp.asarray(narrowed("labels", labels))
    # Bytes do not hold the number of classes, which negative labels are added to.
    labels = labels.astype(jnp.result_type(labels, jnp.int32))
    return logits, labels, dtype


def _of_all_classes(logits: Array, shares: Array | None) -> Array:
    """The mean over classes of their losses, each with the weight of its class."""
    n_classes = logits.shape[-1]
    target = jnp.ones(n_classes) if shares is None else shares
    target = jnp.broadcast_to(target.astype(logits.dtype), logits.shape)
    return optax.softmax_cross_entropy(logits, target / n_classes)


def _class_weights(class_weights: PyTree, n_classes: int) -> Array | None:
    if class_weights is None:
        return None
    array = as_array("class_weights", class_weights)
    check_real("class_weights", array)
    if jnp.shape(array) != (n_classes,):
        raise ValueError(
            f"class_weights must be one number for each of {n_classes} classes; got "
            f"shape {jnp.shape(array)}."
        )
    if is_known(array) and not np.all(np.asarray(array, np.float64) >= 0):
        raise ValueError(f"class_weights must not be negative; got {array}.")
    array = jnp.asarray(narrowed("class_weights", array))
    return array.astype(jnp.promote_types(jnp.result_type(array, float), jnp.float32))


def binary_cross_entropy(
    logits: Arrays,
    targets: Arrays,
    weights: PyTree = None,
    *,
    label_smoothing: ScalarLike = 0.0,
    positive_weight: ScalarLike = 1.0,
) -> Scalar:
    """Mean cross-entropy of yes or no, mean(-t log p - (1 - t) log(1 - p)).

    Here p = sigmoid(logit). It is computed from the logits, so that neither logarithm
    is of 0.

    Args:
        logits: log(p / (1 - p)), any shape.
        targets: 0, 1, truth values or probabilities, the same shape.
        weights: of the rows, or of more leading axes; None: all count alike.
        label_smoothing: ε; the targets become (1 - ε) t + ε/2.
        positive_weight: factor of the first summand, as PyTorch's `pos_weight`.

    Raises:
        TypeError: if one is no array of real numbers.
        ValueError: if the shapes differ, or there is nothing to average, or a setting
            is out of its range.

    Example:
        >>> logits, targets = jnp.array([0.0, 2.0]), jnp.array([1, 1])
        >>> print(f"{fl.losses.binary_cross_entropy(logits, targets):.4f}")
        0.4100
    """
    errors, dtype = errors_of(logits, targets)  # for what it refuses
    check_fraction("label_smoothing", label_smoothing)
    check_not_negative("positive_weight", positive_weight)
    if weights is not None:
        weights = as_weights(weights, errors.shape)
    logits, targets = (
        without(jnp.asarray(one).astype(errors.dtype), weights)
        for one in (logits, targets)
    )
    targets = (1 - label_smoothing) * targets + label_smoothing / 2
    yes = optax.sigmoid_binary_cross_entropy(logits, jnp.ones_like(logits))
    no = optax.sigmoid_binary_cross_entropy(logits, jnp.zeros_like(logits))
    losses = positive_weight * targets * yes + (1 - targets) * no
    return weighted_mean(losses, weights).astype(dtype)
