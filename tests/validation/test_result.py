"""What many splits say."""

import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope="module")
def validation():
    from funclearn import validation

    return validation


def test_summary_agrees_with_numpy(validation):
    rng = np.random.default_rng(0)
    training, held_out = rng.exponential(size=(2, 40)).astype(np.float32)
    sizes = rng.integers(1, 5, 40)
    result = validation.CrossValidation(
        validation.Losses(training, held_out, held_out - training), sizes, 9 - sizes, ()
    )
    mean, quantiles, below = result.summary((0.1, 0.9))
    np.testing.assert_allclose(
        mean.training, np.average(training, weights=9 - sizes), rtol=1e-5
    )
    np.testing.assert_allclose(
        mean.validation, np.average(held_out, weights=sizes), rtol=1e-5
    )
    np.testing.assert_allclose(mean.gap, mean.validation - mean.training, rtol=1e-5)
    for found, losses in zip(quantiles, result.losses, strict=True):
        np.testing.assert_allclose(found, np.quantile(losses, (0.1, 0.9)), rtol=1e-5)
    assert below == pytest.approx(np.mean(held_out < training))


def test_summary_is_not_a_number_where_a_loss_is_not(validation):
    losses = validation.Losses(
        jnp.array([1.0, jnp.nan]), jnp.array([0.0, 1.0]), jnp.array([-1.0, jnp.nan])
    )
    counts = np.ones(2, int)
    summary = validation.CrossValidation(losses, counts, counts, ()).summary()
    assert np.isnan(summary.validation_below_training)


@pytest.mark.parametrize("levels", [(1.5, -1), (0.5, np.nan), 0.5])
def test_refuses_levels_that_are_no_fractions(validation, levels, plain_annotations):
    counts = np.ones(2, int)
    result = validation.CrossValidation(
        validation.Losses(*3 * [jnp.ones(2)]), counts, counts, ()
    )
    with pytest.raises(ValueError, match=r"levels must be .* from 0 to 1"):
        result.summary(levels)
