"""Experiments with a file of one's own: its names and units, no thermometer's."""

import importlib
import re

import numpy as np
import pytest
from matplotlib.text import Text

from experiments.harness import style

SHORT = {
    "parameter_estimation": {"epochs": 30},
    "autograd": {"epochs": 30},
    "optimizers": {"epochs": 30},
    "validation": {"epochs": 30, "splits": 4},
}
CASES = [
    *((name, {}) for name in SHORT),
    ("optimizers", {"loss": "mae"}),
    ("validation", {"loss": "huber"}),
]


def write(path, header, rows):
    lines = [header, *(f"{x:.3f},{y:.3f}" for x, y in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def spring(tmp_path):
    """A spring that stretches by 0.7 mm per newton, with a little noise."""
    weight = np.linspace(10, 60, 20)
    length = 0.7 * weight + 3 + np.random.RandomState(0).normal(size=20)
    rows = zip(weight, length, strict=True)
    return write(tmp_path / "spring.csv", "weight (N),length (mm)", rows)


def run(name, path, target, **settings):
    module = importlib.import_module(f"experiments.{name}")
    return module.run(module.Config(csv=path, target=target, **SHORT[name] | settings))


def said(outcome):
    """All that an outcome says in words, in its figures too."""
    texts = [*outcome.findings]
    for plot in outcome.plots.values():
        with style.style():
            figure = plot.figure()
            figure.draw_without_rendering()
        texts += [plot.caption, *(text.get_text() for text in figure.findobj(Text))]
    for table in outcome.tables:
        texts += [table.title, *table.columns]
        texts += [str(value) for row in table.rows for value in row]
    return "\n".join(texts)


@pytest.mark.parametrize("name, settings", CASES)
@pytest.mark.slow
def test_nothing_speaks_of_the_thermometer(name, settings, spring):
    text = said(run(name, spring, "length (mm)", **settings))
    found = re.search("°C|celsius|thermometer|eleven|published", text, re.IGNORECASE)
    assert found is None, text[found.start() - 40 :][:120]
    unit = "mm" if settings.get("loss") == "mae" else "mm²"
    assert f"Loss ({unit})" in text
    assert f" {unit}" in text


# All but the last have no noise, either: a loss of 0 can be drawn and spoken of.
@pytest.mark.parametrize(
    "name, noise, settings",
    [
        ("parameter_estimation", 0, {}),
        ("autograd", 0, {}),
        ("optimizers", 0, {"loss": "mae"}),
        ("validation", 1, {}),
    ],
)
@pytest.mark.slow
def test_names_without_units_give_labels_without(name, noise, settings, tmp_path):
    rows = [(x, x / 2 + 1 + noise * (x % 2)) for x in range(8)]
    text = said(run(name, write(tmp_path / "a.csv", "x,y", rows), "x", **settings))
    assert re.search(r"^Loss$", text, re.MULTILINE)
    assert not re.search(r"\w \(\)", text)


@pytest.mark.parametrize("name", ["autograd", "optimizers", "validation"])
@pytest.mark.slow
def test_a_diverging_run_is_refused(name, tmp_path):
    path = write(tmp_path / "a.csv", "x,y", [(1000.0 * x, x) for x in range(8)])
    with pytest.raises(ValueError, match="learning_rate must be less than"):
        run(name, path, "y")


@pytest.mark.parametrize("name", SHORT)
def test_bad_files_are_refused(name, spring):
    with pytest.raises(ValueError, match="target must name one column"):
        run(name, spring, "height")
    with pytest.raises(ValueError, match="target must name a column"):
        run(name, spring, None)
