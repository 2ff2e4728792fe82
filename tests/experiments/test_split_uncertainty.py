"""Splits of readings of one's own, against least squares by NumPy."""

import numpy as np
import pytest

from experiments.split_uncertainty import Config, run
from experiments.split_uncertainty.chapter import PUBLISHED, study
from tests.experiments.every import SmallRun, written

X = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5])
Y = np.array([1.2, 1.1, 2.3, 2.2, 3.4, 3.0, 4.4, 4.3])


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    config = Config(splits=8, epochs=10)
    return written("split_uncertainty", config, tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def small(reported):
    return reported


class TestSmallRun(SmallRun):
    pass


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "height.csv"
    rows = [f"{height},{age}" for age, height in zip(X, Y, strict=True)]
    path.write_text("\n".join(["height (m),age (a)", *rows]))
    return Config(
        csv=path,
        target="height (m)",
        input_scale=1.0,
        learning_rate=0.1,
        splits=30,
        validation_fraction=0.25,
    )


@pytest.fixture(scope="module")
def result(own):
    return study(own)


@pytest.mark.slow
def test_losses_are_those_of_least_squares(result):
    for held_out, training, validation in zip(
        result.masks, *result.random.losses[:2], strict=True
    ):
        assert held_out.sum() == 2
        line = np.polynomial.Polynomial.fit(X[~held_out], Y[~held_out], deg=1)
        errors = (line(X) - Y) ** 2
        assert training == pytest.approx(errors[~held_out].mean(), rel=1e-3)
        assert validation == pytest.approx(errors[held_out].mean(), rel=1e-3)


@pytest.mark.slow
def test_every_reading_is_held_back_once(result):
    found = result.by_kind["one reading at a time"]
    assert len(found.losses.validation) == len(X)
    assert list(found.held_out) == [1] * len(X)


@pytest.mark.slow
def test_published_split_is_that_of_the_thermometer(result):
    assert result.published is None and PUBLISHED not in result.by_kind
    found = study(Config(splits=3, epochs=5))
    assert found.published is found.by_kind[PUBLISHED]
    assert list(found.by_kind[PUBLISHED].held_out) == [2]


def words(outcome):
    """Everything that a reader sees of an outcome."""
    for table in outcome.tables:
        yield from (table.title, *table.columns, *map(str, table.rows))
    yield from outcome.findings
    for plot in outcome.plots.values():
        yield plot.caption
        for axes in plot.figure().axes:
            yield from (axes.get_title(loc="left"), axes.get_title())
            yield from (axes.get_xlabel(), axes.get_ylabel())
            yield from (text.get_text() for text in axes.get_legend().get_texts())


def test_names_are_those_of_the_file(own):
    seen = [*words(run(own))]
    assert {"Training loss (m²)", "Held back: age (a)", "height (m)"} <= {*seen}
    assert any("between" in word and "m²; in" in word for word in seen)
    for claim in ("°C", "ublished", "hermometer", "leven", "emperature"):
        assert not [word for word in seen if claim in word], claim


def test_defaults_speak_of_the_thermometer(reported):
    seen = [*words(reported[1])]
    assert {"Training loss (°C²)", "Its temperature (°C)", "published split"} <= {*seen}
    assert any(word.startswith("The published split ends with") for word in seen)


def test_a_rate_at_which_runs_diverge_is_refused():
    config = Config(splits=8, epochs=300, learning_rate=0.5)
    with pytest.raises(ValueError, match="in 25 of 25"):
        run(config)


@pytest.mark.slow
def test_many_ways_are_not_counted_out(tmp_path):
    path = tmp_path / "long.csv"
    rows = [f"{x / 60},{x % 7}" for x in range(60)]
    path.write_text("\n".join(["x,y", *rows]))
    config = Config(csv=path, target="y", input_scale=1.0, splits=4, epochs=5)
    first, *_ = run(config).findings
    assert first.startswith("There are millions of ways to hold 12 of 60 readings back")
