"""The recipe, the losses to choose from, and the least that noise allows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.overfitting import Config, run
from experiments.overfitting.chapter import (
    Losses,
    choose,
    draw,
    loss_of_noise,
    over_sizes,
)
from experiments.overfitting.families import network, polynomial

SMALL = Config(degrees=(0, 1), widths=(1, 2), data_sets=2, more_rows=20, epochs=10)
LOSSES = {
    "mse": lambda e: e**2,
    "mae": np.abs,
    "huber": lambda e: np.where(np.abs(e) <= 1, e**2 / 2, np.abs(e) - 0.5),
}


@pytest.mark.parametrize("noise", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_of_noise_is_its_integral(loss, noise):
    z = np.linspace(-12, 12, 400_001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    expected = np.trapezoid(LOSSES[loss](noise * z) * density, z)
    found = loss_of_noise(dataclasses.replace(SMALL, loss=loss, noise=noise))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_without_noise_nothing_is_left(loss):
    config = dataclasses.replace(SMALL, loss=loss, noise=0.0)
    assert loss_of_noise(config) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_those_of_the_settings(loss):
    config = dataclasses.replace(SMALL, epochs=2000, loss=loss)
    trials, _ = draw(jax.random.split(jax.random.key(0), 2), config)
    losses = over_sizes(polynomial, (0, 1), trials, config)
    # A constant: the mean minimises the squared errors, the median the absolute ones.
    for targets, found in zip(trials.seen.targets, losses.training[0], strict=True):
        constants = np.linspace(-2, 2, 1001)
        errors = np.asarray(targets, float)[:, 0, None] - constants
        best = LOSSES[loss](errors).mean(axis=0).min()
        assert found == pytest.approx(best, rel=5e-3)


def test_line_of_another_loss_is_no_variance():
    caption = run(dataclasses.replace(SMALL, loss="mae")).plots["remedies"].caption
    assert "The line is the loss of the noise," in caption


def test_polynomial_is_that_of_its_degree():
    x = jnp.linspace(-1, 1, 9)[:, None]
    coefficients = jax.random.normal(jax.random.key(0), (6, 1))
    for degree in range(6):
        model = polynomial(5, jnp.asarray(degree))
        scaled = np.sqrt(2 * np.arange(6) + 1) * np.asarray(coefficients)[:, 0]
        expected = np.polynomial.legendre.legval(
            np.asarray(x)[:, 0], scaled[: degree + 1]
        )
        found = model.apply(coefficients, x)[:, 0]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_units_beyond_the_width_are_silent():
    params = network(4, jnp.asarray(4)).init(jax.random.key(1))
    params = params._replace(output_weight=jnp.ones((4, 1)))
    x = jnp.linspace(-1, 1, 5)[:, None]
    found = network(4, jnp.asarray(3)).apply(params, x)
    hidden = np.tanh(
        np.asarray(x) @ np.asarray(params.weight) + np.asarray(params.bias)
    )
    np.testing.assert_allclose(found[:, 0], hidden[:, :3].sum(axis=1), rtol=1e-5)


def test_recipe_takes_the_first_that_fits_and_goes_back():
    training = np.array([[3.0], [0.5], [0.2], [0.05], [0.01]])
    unseen = np.array([[3.0], [0.7], [0.8], [0.9], [2.0]])
    assert choose(Losses(training, unseen), 0.1) == (3, 1)
    assert choose(Losses(training, unseen), 1e-9) == (4, 1)
