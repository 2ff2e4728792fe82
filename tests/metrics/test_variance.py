"""The coefficient of determination against scikit-learn."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics

import funclearn as fl

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("shape", [(30,), (30, 2)], ids=str)
@pytest.mark.parametrize("offset", [0, 1e4])
@pytest.mark.parametrize("weights", [None, RNG.uniform(size=30)], ids=["alike", "rows"])
def test_r2_is_scikit_learns(shape, offset, weights):
    targets = (offset + RNG.normal(size=shape)).astype(np.float32)
    predictions = (targets + 0.3 * RNG.normal(size=shape)).astype(np.float32)
    exact = [array.astype(np.float64) for array in (targets, predictions)]
    expected = metrics.r2_score(*exact, sample_weight=weights)
    got = fl.metrics.r2(predictions, targets, weights)
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_batches_around_a_large_mean_cost_no_digits():
    targets = (1e5 + RNG.normal(size=200)).astype(np.float32)
    predictions = targets + np.float32(0.5) * RNG.normal(size=200).astype(np.float32)
    gathered = [
        fl.metrics.r2.gather(predictions[[row]], targets[[row]], None)
        for row in range(200)
    ]
    got = fl.metrics.r2.value(functools.reduce(fl.metrics.r2.merge, gathered))
    exact = metrics.r2_score(*(x.astype(np.float64) for x in (targets, predictions)))
    np.testing.assert_allclose(got, exact, rtol=1e-5)


def test_rows_that_do_not_count_may_be_unknown():
    targets = jnp.array([1.0, jnp.nan, 3.0, 4.0])
    weights = jnp.array([1, 0, 2, 1])
    got = fl.metrics.r2(jnp.array([1.0, 5.0, 2.0, 4.0]), targets, weights)
    expected = metrics.r2_score([1, 3, 4], [1, 2, 4], sample_weight=[1, 2, 1])
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_targets_that_do_not_vary_have_none():
    assert np.isnan(fl.metrics.r2(jnp.ones(3), jnp.ones(3)))
    with pytest.raises(ValueError, match="must have one shape"):
        fl.metrics.r2(jnp.ones(3), jnp.ones((3, 1)))
