"""The sources' data are as published, and the noise as asked for."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl

KEY = jax.random.key(0)
SEED: Any = 0


def test_thermometer_gives_the_published_first_loss():
    dataset = fl.data.thermometer()
    assert dataset.inputs.shape == dataset.targets.shape == (11,)
    residuals = np.asarray(dataset.inputs, np.float64) - np.asarray(dataset.targets)
    np.testing.assert_allclose(np.mean(residuals**2), 1763.8848, rtol=1e-7)


def test_sine_without_noise_is_the_sine():
    inputs, targets = fl.data.noisy_sine(jax.random.key(0), 7, 0.0)
    np.testing.assert_allclose(inputs, np.linspace(-1, 1, 7)[:, None], atol=1e-6)
    np.testing.assert_allclose(targets, np.sin(np.pi * np.asarray(inputs)), atol=1e-6)


def test_noise_of_the_sine_is_normal_with_the_given_deviation():
    n_samples, noise = 4000, 0.25
    inputs, targets = fl.data.noisy_sine(jax.random.key(1), n_samples, noise)
    errors = np.asarray(targets - jnp.sin(jnp.pi * inputs))
    # Four standard errors of a mean and of a standard deviation.
    assert abs(errors.mean()) < 4 * noise / math.sqrt(n_samples)
    assert abs(errors.std() - noise) < 4 * noise / math.sqrt(2 * n_samples)


def test_the_same_key_draws_the_same_noise_and_another_key_another():
    one, same = (fl.data.noisy_sine(jax.random.key(3)) for _ in range(2))
    other = fl.data.noisy_sine(jax.random.key(4))
    assert jnp.array_equal(one.targets, same.targets)
    assert not jnp.any(one.targets == other.targets)


class Refusal(NamedTuple):
    call: Any
    error: type[Exception]
    message: str


REFUSALS = {
    "sine-0": Refusal(
        lambda: fl.data.noisy_sine(KEY, 0), ValueError, "n_samples must be at least 1"
    ),
    "sine-no-key": Refusal(
        lambda: fl.data.noisy_sine(SEED), TypeError, "key must be a typed key, .* got 0"
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.usefixtures("plain_annotations")
def test_refusals_name_the_argument_when_called(refusal):
    with pytest.raises(refusal.error, match=refusal.message):
        refusal.call()


PUBLIC = {
    "noisy_sine": lambda key: fl.data.noisy_sine(key, 5),
    "thermometer": lambda key: fl.data.thermometer(),
}


@pytest.mark.parametrize("function", PUBLIC.values(), ids=PUBLIC)
def test_compiled_equals_eager(function):
    eager, compiled = function(KEY), jax.jit(function)(KEY)
    assert jax.tree.structure(eager) == jax.tree.structure(compiled)
    for one, other in zip(*map(jax.tree.leaves, (eager, compiled)), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_drawn_data_have_the_default_precision(float64):
    for dataset in (fl.data.thermometer(), fl.data.noisy_sine(KEY)):
        assert [leaf.dtype for leaf in dataset] == 2 * [jnp.float64]
