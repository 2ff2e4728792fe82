"""Accuracies against scikit-learn."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics

import funclearn as fl

RNG = np.random.default_rng(5)
LOGITS = RNG.normal(size=(40, 4)).astype(np.float32)
LABELS = RNG.integers(0, 4, 40)
WEIGHTS = RNG.uniform(size=40).astype(np.float32)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "rows"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_accuracies_are_scikit_learns(k, weights):
    expected = metrics.top_k_accuracy_score(
        LABELS, LOGITS, k=k, sample_weight=weights, labels=range(4)
    )
    got = fl.metrics.top_k_accuracy(k)(LOGITS, LABELS, weights)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    if k == 1:
        plain = fl.metrics.accuracy(LOGITS, LABELS, weights)
        np.testing.assert_allclose(plain, expected, rtol=1e-6)


def test_yes_and_no_are_told_by_one_logit():
    for labels in ([1, 0, 1], [True, False, True], [1.0, 0.0, 1.0]):
        share = fl.metrics.accuracy(jnp.array([2.0, 1.0, 0.5]), jnp.array(labels))
        np.testing.assert_allclose(share, 2 / 3, rtol=1e-6)


def test_a_sequence_has_masks_of_entries():
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 0]])
    logits, labels = LOGITS[:8].reshape(2, 4, 4), LABELS[:8].reshape(2, 4)
    expected = np.average(logits.argmax(-1) == labels, weights=mask)
    got = fl.metrics.accuracy(logits, labels, mask)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_nan_is_wrong_and_nothing_has_no_accuracy():
    spoilt = jnp.full((3, 4), jnp.nan)
    assert fl.metrics.accuracy(spoilt, jnp.zeros(3, int)) == 0
    assert fl.metrics.top_k_accuracy(4)(spoilt, jnp.zeros(3, int)) == 0
    assert fl.metrics.accuracy(jnp.full(3, jnp.nan), jnp.zeros(3, int)) == 0
    assert np.isnan(fl.metrics.accuracy(LOGITS, LABELS, np.zeros(40)))


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: fl.metrics.top_k_accuracy(0), ValueError, "k must be at least 1"),
        (
            lambda: fl.metrics.top_k_accuracy(5)(LOGITS, LABELS),
            ValueError,
            r"logits of 5 classes at least; got shape \(40, 4\)",
        ),
        (
            lambda: fl.metrics.accuracy(LOGITS, LABELS[:-1]),
            ValueError,
            r"got targets \(39,\) and predictions \(40, 4\)",
        ),
        (
            lambda: fl.metrics.accuracy(LOGITS, LABELS + 0.5),
            TypeError,
            "targets must be integers; got float",
        ),
    ],
    ids=["no class", "too many", "shape", "floats"],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
