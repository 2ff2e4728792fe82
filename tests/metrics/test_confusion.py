"""Counts of classes against scikit-learn."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics

import funclearn as fl

RNG = np.random.default_rng(6)
LOGITS = RNG.normal(size=(40, 4)).astype(np.float32)
LABELS = RNG.integers(0, 3, 40)  # class 3 is predicted, and never right
PREDICTED = LOGITS.argmax(axis=1)
WEIGHTS = RNG.uniform(size=40).astype(np.float32)
ALL = range(4)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "rows"])
def test_the_matrix_is_scikit_learns(weights):
    expected = metrics.confusion_matrix(
        LABELS, PREDICTED, labels=ALL, sample_weight=weights
    )
    got = fl.metrics.confusion_matrix(LOGITS, LABELS, weights)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    recall = fl.metrics.per_class_accuracy(LOGITS, LABELS, weights)
    np.testing.assert_allclose(
        recall[:3], expected.diagonal()[:3] / expected.sum(axis=1)[:3], rtol=1e-5
    )
    assert np.isnan(recall[3])


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "rows"])
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
def test_f1_is_scikit_learns(average, weights):
    labels = ALL if average is None else None
    settings: Any = {"labels": labels, "average": average, "zero_division": 0}
    expected = metrics.f1_score(LABELS, PREDICTED, sample_weight=weights, **settings)
    got = fl.metrics.f1(average=average)(LOGITS, LABELS, weights)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_f1_of_yes_and_no():
    logits, labels = LOGITS[:, 0], LABELS == 1
    expected = metrics.f1_score(labels, logits > 0)
    got = fl.metrics.f1(average="binary")(logits, labels)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_classes_that_occur_nowhere_are_not_averaged():
    logits, labels = 9 * np.eye(4)[[0, 1, 1]], np.array([0, 1, 0])
    expected = metrics.f1_score(labels, logits.argmax(1), average="macro")
    np.testing.assert_allclose(fl.metrics.f1()(logits, labels), expected, rtol=1e-6)


def test_nan_is_predicted_of_no_class_and_no_class_is_left_out():
    logits = jnp.array([[jnp.nan, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    labels = jnp.array([0, 0, -1, 7])
    assert fl.metrics.confusion_matrix(logits, labels).tolist() == [[1, 0], [0, 0]]
    assert fl.metrics.per_class_accuracy(logits, labels)[0] == 0.5


def test_refusals():
    with pytest.raises(ValueError, match=r"average must be one of .* got 'mean'"):
        fl.metrics.f1(average="mean")
    with pytest.raises(ValueError, match='average="binary" needs two classes; got 4'):
        fl.metrics.f1(average="binary")(LOGITS, LABELS)
