"""Which classes are taken for which."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from funclearn._weights import ratio
from funclearn.metrics._classes import predicted, read_classes
from funclearn.metrics._metric import Metric

__all__ = ["confusion_matrix", "f1", "per_class_accuracy"]


class _Confusion(NamedTuple):
    """Sums of weights.

    Attributes:
        matrix: by label and predicted class.
        unknown: by label, of predictions that are NaN.
    """

    matrix: Float[Array, "classes classes"]
    unknown: Float[Array, " classes"]


def _gather_confusion(
    predictions: PyTree, targets: PyTree, weights: PyTree
) -> _Confusion:
    logits, labels, weights = read_classes(predictions, targets, weights)
    n_classes = 2 if logits.ndim == labels.ndim else logits.shape[-1]
    got = predicted(logits, labels).ravel()
    counted = jnp.broadcast_to(weights, labels.shape).ravel()
    # Negative numbers would count from the end; labels of no class are left out.
    rows = jnp.where(labels < 0, n_classes, labels).ravel()
    columns = jnp.where(got < 0, n_classes, got)
    table = jnp.zeros((n_classes, n_classes + 1), counted.dtype)
    table = table.at[rows, columns].add(counted, mode="drop")
    return _Confusion(table[:, :-1], table[:, -1])


confusion_matrix = Metric(_gather_confusion, lambda sums: sums.matrix)
"""How many rows of each label, by row, were given each class, by column.

Sums of weights `(classes, classes)`. Labels that name no class are left out.
"""


def _recall(sums: _Confusion) -> Float[Array, " classes"]:
    right, of_label, _ = _margins(sums)
    return right / of_label


per_class_accuracy = Metric(_gather_confusion, _recall)
"""The accuracy among the rows of each label, `(classes,)`, also called recall.

NaN where there are no such rows.
"""


def f1(*, average: str | None = "macro") -> Metric:
    """The harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN).

    Args:
        average: `"macro"`, the mean over the classes that occur among labels or
            predictions; `"micro"`, of the counts of all classes; `"weighted"`, the mean
            by how often each label occurs; `"binary"`, that of class 1 of two; None,
            that of every class, 0 of those that do not occur.

    Returns:
        A metric, scalar or `(classes,)`, between 0 and 1.

    Raises:
        ValueError: if `average` is none of these; when it is called, if there are more
            than two classes for `"binary"`.

    References:
        van Rijsbergen, Information Retrieval, 1979, chapter 7.

    Example:
        >>> predictions = jnp.array([1.0, 1.0, -1.0, 2.0])
        >>> labels = jnp.array([1, 0, 0, 1])
        >>> print(fl.metrics.f1(average="binary")(predictions, labels))
        0.8
    """
    known = ("macro", "micro", "weighted", "binary", None)
    if average not in known:
        raise ValueError(
            f"average must be one of {', '.join(map(repr, known))}; got {average!r}."
        )

    def value(sums: _Confusion) -> Array:
        right, of_label, of_prediction = _margins(sums)
        if average == "micro":
            both = jnp.sum(of_label) + jnp.sum(of_prediction)
            return ratio(2 * jnp.sum(right), both)
        scores = ratio(2 * right, of_label + of_prediction)
        if average is None:
            return scores
        if average == "binary":
            if scores.shape != (2,):
                raise ValueError(
                    f'average="binary" needs two classes; got {scores.size}.'
                )
            return scores[1]
        occurs = (of_label + of_prediction > 0).astype(scores.dtype)
        counts = of_label if average == "weighted" else occurs
        return ratio(jnp.sum(counts * scores), jnp.sum(counts))

    return Metric(_gather_confusion, value)


def _margins(sums: _Confusion) -> tuple[Array, Array, Array]:
    """What is right, and how often each class is label, and is predicted."""
    matrix, unknown = sums
    return jnp.diagonal(matrix), matrix.sum(axis=1) + unknown, matrix.sum(axis=0)
