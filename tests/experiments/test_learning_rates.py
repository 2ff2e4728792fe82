"""Predicted and found limits on readings of one's own."""

import numpy as np
import pytest

from experiments.learning_rates import Config, page, run
from experiments.learning_rates.chapter import Edge
from tests.experiments.every import recorded

SPEED, FUEL = "speed (km/h)", "fuel (l/100 km)"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    x = np.arange(30, 140, 10)
    y = 3 + 0.05 * x + np.random.RandomState(0).normal(size=x.size)
    path = tmp_path_factory.mktemp("own") / "fuel.csv"
    rows = [f"{a},{b:.3f}" for a, b in zip(x, y, strict=True)]
    path.write_text("\n".join([f"{SPEED},{FUEL}", *rows]))
    return Config(csv=path, target=FUEL, rates=300, epochs=60), x


@pytest.fixture(scope="module")
def ran(own):
    """What a run reports, and what its study found."""
    with recorded(page, "study") as found:
        outcome = run(own[0])
    return outcome, *found


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


@pytest.mark.slow
def test_limit_is_that_of_the_normal_equations(own, ran):
    (_, x), (_, result) = own, ran
    design = np.stack([x, np.ones_like(x)], axis=1)
    largest = 2 * np.linalg.eigvalsh(design.T @ design / len(x))[-1]
    assert result.limits["raw"] == pytest.approx(2 / largest, rel=1e-4)
    edge = result.edges["raw", "plain"]
    assert edge.stable == pytest.approx(2 / largest, rel=0.1)


@pytest.mark.slow
def test_names_are_those_of_the_file(ran):
    seen = [*words(ran[0])]
    assert "Loss ((l/100 km)²)" in seen
    for claim in ("°C", "ublished", "hermometer", "leven"):
        assert not [word for word in seen if claim in word], claim


@pytest.mark.slow
def test_defaults_speak_of_the_thermometer():
    seen = [*words(run(Config(rates=3, epochs=5)))]
    assert "Loss (°C²)" in seen
    assert any("the published rate 0.01" in word for word in seen)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "fuel"}, "'fuel' names 0 of"),
        ({"target": None}, "target must name a column"),
        ({"csv": None}, "target names a column of csv"),
    ],
)
def test_file_and_column_go_together(own, settings, message):
    config, _ = own
    with pytest.raises(ValueError, match=message):
        run(Config(**{"csv": config.csv, "target": FUEL} | settings))


def test_prediction_is_right_between_the_rates():
    assert Edge(2.0, 1.5, 2.5).right
    assert not Edge(3.0, 1.5, 2.5).right
