"""The recipe, the losses to choose from, and the least that noise allows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.overfitting import Config, chapter, page, run
from experiments.overfitting.between import GRID, compare_degrees
from experiments.overfitting.chapter import (
    Losses,
    choose,
    draw,
    loss_of_noise,
    over_sizes,
)
from experiments.overfitting.families import network, polynomial
from experiments.overfitting.page import _falls, _recipe
from tests.experiments.every import SmallRun, studied

pytestmark = pytest.mark.slow

SMALL = Config(degrees=(0, 1), widths=(1, 2), data_sets=2, more_rows=20, epochs=10)
LOSSES = {
    "mse": lambda e: e**2,
    "mae": np.abs,
    "huber": lambda e: np.where(np.abs(e) <= 1, e**2 / 2, np.abs(e) - 0.5),
}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A small run: what is reported, and what its study found."""
    return studied(page, "overfitting", SMALL, tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def small(everything):
    return everything[0]


class TestSmallRun(SmallRun):
    pass


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


def test_line_of_another_loss_is_no_variance(everything, fitted, monkeypatch):
    (_, outcome, _), result = everything
    assert "The line is the variance of the noise," in outcome.plots["remedies"].caption
    monkeypatch.setattr(page, "study", lambda config: result)
    monkeypatch.setattr(page, "compare_degrees", lambda config: fitted)
    caption = run(dataclasses.replace(SMALL, loss="mae")).plots["remedies"].caption
    assert "The line is the loss of the noise," in caption


def test_sizes_that_do_not_increase_are_refused():
    with pytest.raises(ValueError, match=r"widths must increase; got \(4, 1\)"):
        chapter.study(dataclasses.replace(SMALL, widths=(4, 1)))


def test_training_that_diverges_is_refused(monkeypatch):
    config = dataclasses.replace(SMALL, learning_rate=1e18, degrees=(0, 40), epochs=50)
    # What the remedies end with would be looked at with the rest, after compiling each.
    finite = Losses(np.ones(2), np.ones(2))
    monkeypatch.setattr(chapter, "of_largest", lambda *args, **restraints: finite)
    with pytest.raises(ValueError, match="training diverged"):
        chapter.study(config)


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


@pytest.fixture(scope="module")
def fitted():
    return compare_degrees(Config())


def test_what_is_fitted_is_the_least_squares_curve(fitted):
    constant, cubic, _ = fitted
    for one in (constant, cubic):
        x, y = (np.asarray(column, float)[:, 0] for column in one.seen[:2])
        exact = np.polynomial.Polynomial.fit(x, y, one.degree)
        least = np.mean((exact(x) - y) ** 2)
        assert one.run.final.loss == pytest.approx(least, rel=1e-3)
        # A loss so near its least leaves the curve this near, on the average.
        np.testing.assert_allclose(one.curve, exact(GRID[:, 0]), atol=1e-2)


def test_three_degrees_are_the_three_cases_of_the_sources(fitted):
    kinds = [one.verdict.kind for one in fitted]
    assert kinds == ["underfitting", "healthy", "overfitting"]
    free = fitted[-1].run
    assert free.final.loss < fitted[1].run.final.loss
    assert free.final.evaluation > 10 * free.final.loss


def test_marks_and_words_follow_the_losses():
    training = np.array([[3.0], [0.05], [0.2]])
    unseen = np.array([[3.0], [0.7], [0.6]])
    losses = Losses(training, unseen)
    found = _recipe((1, 2, 4), losses, choose(losses, 0.1), 0.1)
    assert found.sentence.format(name="width") == (
        "The first width that fits is 2; the recipe keeps 2."
    )
    assert found.title == "The first size that fits (1)\nis the one to keep (2)"
    nothing = _recipe((1, 2, 4), losses, choose(losses, 0.01), 0.01)
    assert nothing.title.startswith("No size fits")
    assert nothing.sentence.format(name="width") == (
        "No width fits, up to 4; from there the recipe goes down to 4."
    )


def test_a_training_loss_that_rises_is_not_said_to_fall():
    training = np.array([[3.0], [0.05], [0.2]])
    found = _falls("width", training, (1, 2, 4), 10)
    assert "is least, 0.05, at width 2, and 0.2 at 4" in found
    falling = _falls("width", training[:2], (1, 2), 10)
    assert (
        falling == "The median training loss is least, 0.05, at width 2, the largest."
    )
