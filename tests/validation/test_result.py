"""What many splits say."""

import re
import xml.etree.ElementTree

import jax.numpy as jnp
import numpy as np
import pytest
import rich.console


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


def test_splits_count_by_the_weights_of_their_rows(validation):
    """And those whose rows count nothing do not, whatever their losses are."""
    rng = np.random.default_rng(1)
    training, held_out, *weights = rng.exponential(size=(4, 20)).astype(np.float32)
    weights[1][3], held_out[3] = 0, np.nan
    result = validation.CrossValidation(
        validation.Losses(training, held_out, held_out - training),
        *np.ones((2, 20), int),
        (),
        weights=validation.Weights(*weights),
    )
    kept = np.arange(20) != 3
    mean, quantiles, below = result.summary((0.1, 0.9))
    for part, loss, weight in zip(mean, result.losses, weights, strict=False):
        expected = np.average(loss[kept], weights=weight[kept])
        np.testing.assert_allclose(part, expected, rtol=1e-5)
    for found, losses in zip(quantiles, result.losses, strict=True):
        expected = np.quantile(losses[kept], (0.1, 0.9))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert below == pytest.approx(np.mean(held_out[kept] < training[kept]))


@pytest.mark.parametrize("levels", [(1.5, -1), (0.5, np.nan), 0.5])
def test_refuses_levels_that_are_no_fractions(validation, levels, plain_annotations):
    counts = np.ones(2, int)
    result = validation.CrossValidation(
        validation.Losses(*3 * [jnp.ones(2)]), counts, counts, ()
    )
    with pytest.raises(ValueError, match=r"levels must be .* from 0 to 1"):
        result.summary(levels)


@pytest.fixture(scope="module")
def with_metrics(validation):
    parts = [jnp.array(values) for values in ([1.0, 2.0], [1.5, 4.0], [0.5, 2.0])]
    losses = validation.Losses(*parts)
    accuracy = validation.Losses(
        jnp.array([3, 1]), jnp.array([2, 1]), jnp.array([-1, 0])
    )
    table = validation.Losses(*3 * [jnp.ones((2, 3))])
    metrics = {"loss": losses, "right": accuracy, "<table>": table}
    return validation.CrossValidation(
        losses, np.array([1, 3]), np.array([3, 1]), (), metrics
    )


def test_any_metric_is_summed_up(with_metrics):
    summary = with_metrics.summary((0.5,), on="right")
    np.testing.assert_allclose(summary.mean.training, (3 * 3 + 1) / 4)
    np.testing.assert_allclose(summary.mean.validation, (2 + 3 * 1) / 4)
    np.testing.assert_allclose(summary.quantiles.gap, [-0.5])
    assert summary.validation_below_training == 0.5
    with pytest.raises(
        ValueError, match="on must be one of loss, right; got '<table>'"
    ):
        with_metrics.summary(on="<table>")


def test_tables_have_a_row_for_every_split(with_metrics):
    names = [f"{x} {y}" for x in ("loss", "right") for y in with_metrics.losses._fields]
    wanted = [
        ["trained", "held out", *names],
        ["3", "1", "1", "1.5", "0.5", "3", "2", "-1"],
        ["1", "3", "2", "4", "2", "1", "1", "0"],
    ]
    drawn = xml.etree.ElementTree.fromstring(with_metrics._repr_html_()).iter("tr")
    assert [[cell.text for cell in row] for row in drawn] == wanted
    lines = [
        re.split(r"\s{2,}", line.strip()) for line in str(with_metrics).splitlines()
    ]
    assert lines == wanted
    console = rich.console.Console(width=200)
    with console.capture() as captured:
        console.print(with_metrics)
    assert "right validation" in captured.get()
