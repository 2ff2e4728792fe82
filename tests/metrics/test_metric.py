"""A metric is a function of all rows, however they are dealt out to batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl

RNG = np.random.default_rng(4)
LOGITS = RNG.normal(size=(11, 3)).astype(np.float32)
LABELS = RNG.integers(0, 3, 11)
WEIGHTS = RNG.integers(0, 3, 11)
METRICS = {
    "accuracy": (fl.metrics.accuracy, LOGITS, LABELS),
    "top 2": (fl.metrics.top_k_accuracy(2), LOGITS, LABELS),
    "of classes": (fl.metrics.per_class_accuracy, LOGITS, LABELS),
    "f1": (fl.metrics.f1(average="weighted"), LOGITS, LABELS),
    "r2": (fl.metrics.r2, LOGITS[:, 0], 1e3 + LOGITS[:, 1]),
}


@pytest.mark.parametrize("metric, predictions, targets", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "rows"])
@pytest.mark.slow
def test_sums_of_batches_are_merged_to_those_of_all_rows(
    metric, predictions, targets, weights
):
    parts = [slice(0, 5), slice(5, 6), slice(6, 11)]
    sums = [
        metric.gather(
            predictions[part],
            targets[part],
            None if weights is None else weights[part],
        )
        for part in parts
    ]
    merged = metric.merge(metric.merge(sums[0], sums[1]), sums[2])
    whole = metric(predictions, targets, weights)
    np.testing.assert_allclose(metric.value(merged), whole, rtol=1e-5)
    compiled = jax.jit(metric)(predictions, targets, weights)
    np.testing.assert_allclose(compiled, whole, rtol=1e-6)
    if weights is not None:
        repeated = np.repeat(np.arange(11), weights)
        alike = metric(predictions[repeated], targets[repeated])
        np.testing.assert_allclose(whole, alike, rtol=1e-5)


def test_a_metric_of_ones_own_is_three_functions():
    def gather(predictions, targets, weights):
        return jnp.max(jnp.abs(predictions - targets))

    worst = fl.metrics.Metric(gather, lambda sums: sums, jnp.maximum)
    evaluate = fl.make_evaluation(
        fl.models.linear, fl.losses.mse, {"worst": worst}, batch_size=4
    )
    params = fl.models.LinearParams(jnp.float32(0), jnp.float32(0))
    readings, celsius = fl.data.thermometer()
    values = evaluate(params, fl.Dataset(readings, celsius))
    assert values["worst"] == 28
