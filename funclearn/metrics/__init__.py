"""Metrics that are right whatever batches their rows come in.

A metric is `(predictions, targets, weights=None) -> value`, as `make_evaluation` takes
it. Most are no means over rows: what batches of unequal size have in common are sums,
such as counts, which are merged before the value is computed of them.

Classes are predicted by logits `(..., classes)`, of which the largest counts, for
labels `(...)`; or, where there are two, by logits `(...)`: yes where they are positive.
Predictions of NaN are wrong whatever the label is. Rows count by their weights.
"""

from funclearn.metrics._accuracy import accuracy, top_k_accuracy
from funclearn.metrics._confusion import confusion_matrix, f1, per_class_accuracy
from funclearn.metrics._metric import Metric
from funclearn.metrics._variance import r2

__all__ = [
    "Metric",
    "accuracy",
    "confusion_matrix",
    "f1",
    "per_class_accuracy",
    "r2",
    "top_k_accuracy",
]
