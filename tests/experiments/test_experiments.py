"""Runs every experiment: with small settings, and with the published ones."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportIndexIssue=false

import dataclasses
import json
import math
import re
from xml.etree import ElementTree

import pytest
import tyro
from matplotlib.colors import to_hex
from matplotlib.text import Text

from experiments import NAMES
from experiments.harness import _published, style
from experiments.harness._report import describe, perform

# For each experiment, the settings that make a run short.
SMALL = {
    "seven_steps": {"epochs": 4, "weight_counts": (1, 2)},
    "broadcasting": {"epochs": 3},
    "parameter_estimation": {"epochs": 12},
    "autograd": {"epochs": 12},
    "optimizers": {"epochs": 12},
    "torch_optimizers": {"optimizers": ("SGD", "Rprop", "Muon"), "steps": 12},
    "validation": {"epochs": 12, "splits": 4},
    "gradient_vectors": {"points": 3, "spacing": 1.0},
    "computational_graph": {"points": 3},
    "gradient_check": {"models": ("line",)},
    "wide_net": {"epochs": 3},
    "fit_csv": {"epochs": 3},
    "learning_rates": {"rates": 5, "epochs": 10},
    "learn_the_learning_rate": {
        "descents": 2,
        "epochs": 10,
        "rates": 5,
        "schedule_epochs": 3,
        "schedule_descents": 2,
    },
    "split_uncertainty": {"splits": 8, "epochs": 10},
    "overfitting": {
        "degrees": (0, 1),
        "widths": (1, 2),
        "data_sets": 2,
        "more_rows": 20,
        "epochs": 10,
    },
    "pullover_or_dress": {
        "drawn": 400,
        "seeds": 2,
        "epochs": 2,
        "class_seeds": 2,
        "class_epochs": 1,
        "data": "drawn",
    },
}

KINDS = {
    "name": str,
    "summary": str,
    "explanation": str,
    "sources": list,
    "command": str,
    "config": dict,
    "device": str,
    "versions": dict,
    "seconds": float,
    "findings": list,
    "tables": list,
    "figures": list,
    "pictures": list,
    "history": str | None,
    "compared": bool,
    "published": list,
    "error": None,
}
PUBLISHED_KEYS = {
    "id",
    "source",
    "setting",
    "quantity",
    "published",
    "computed",
    "difference",
    "tolerance",
    "met",
    "misses",
}
OWNERS = sorted(
    {entry.experiment for entry in _published.load() if not entry.needs},
    key=NAMES.index,
)


@pytest.fixture(scope="module", params=NAMES)
def small(request, tmp_path_factory):
    """One experiment, what a small run of it found, and the folder with its results."""
    experiment = describe(request.param)
    config = experiment.config_type(**SMALL[request.param])
    outcome = experiment.run(config)
    out = tmp_path_factory.mktemp("results")
    perform(experiment._replace(run=lambda _: outcome), config, out, "python")
    return experiment, outcome, out / experiment.name


def test_describes_itself(small):
    experiment, _, _ = small
    assert re.fullmatch(r"[^\n]{10,}\.", experiment.summary)
    assert experiment.sources
    assert set(experiment.sources) <= set(_published.sources())


def test_computes_its_own_figures_only(small):
    experiment, outcome, _ = small
    owned = {e.id for e in _published.load() if e.experiment == experiment.name}
    assert set(outcome.computed) <= owned


def _refuse(constant):
    raise AssertionError(f"{constant} is not strict JSON")


def test_summary_validates(small):
    _, outcome, folder = small
    text = (folder / "summary.json").read_text()
    summary = json.loads(text, parse_constant=_refuse)
    assert summary.keys() == KINDS.keys()
    for key, kind in KINDS.items():
        assert isinstance(summary[key], kind or type(None)), key
    assert all(isinstance(finding, str) for finding in summary["findings"])
    for table in summary["tables"]:
        assert all(len(row) == len(table["columns"]) for row in table["rows"])
    for entry in summary["published"]:
        assert entry.keys() == PUBLISHED_KEYS
    assert [figure["file"] for figure in summary["figures"]] == [*outcome.plots]
    assert [picture["file"] for picture in summary["pictures"]] == [*outcome.pictures]


def test_history_has_a_row_an_epoch(small):
    _, outcome, folder = small
    if outcome.history:
        header, *rows = (folder / "history.csv").read_text().splitlines()
        assert header == ",".join(("epoch", *outcome.history))
        assert [int(row.split(",")[0]) for row in rows] == [*range(1, len(rows) + 1)]
    assert (folder / "history.csv").exists() is bool(outcome.history)


def test_figures_are_written(small):
    _, outcome, folder = small
    for stem, plot in outcome.plots.items():
        assert plot.caption.endswith(".")
        assert (folder / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
        ElementTree.parse(folder / f"{stem}.svg")


def test_pictures_are_written(small):
    _, outcome, folder = small
    for stem, picture in outcome.pictures.items():
        assert picture.caption.endswith(".")
        text = (folder / f"{stem}.svg").read_text()
        assert "id=" not in text
        assert ElementTree.fromstring(text).attrib["role"] == "img"


def test_figures_say_their_point_within_their_bounds(small):
    _, outcome, _ = small
    for stem, plot in outcome.plots.items():
        with style.style():
            figure = plot.figure()
            figure.draw_without_rendering()
        titles = {axes.get_title(loc="left") for axes in figure.axes} - {""}
        labels = {axes.get_xlabel() for axes in figure.axes} - {""}
        heights = {axes.get_ylabel() for axes in figure.axes} - {""}
        assert titles and labels and heights, stem
        for text in figure.findobj(Text):
            if text.get_text() in titles | labels | heights:
                box = text.get_window_extent()
                assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, text.get_text()
                assert box.y0 >= 0 and box.y1 <= figure.bbox.y1, text.get_text()


def test_lines_take_their_colours_from_the_style(small):
    _, outcome, _ = small
    allowed = {to_hex(colour) for colour in (*style.PALETTE, style.INK)}
    allowed |= {to_hex(colour) for colour in ("black", "white")}
    for stem, plot in outcome.plots.items():
        with style.style():
            lines = [line for axes in plot.figure().axes for line in axes.lines]
        assert {to_hex(line.get_color()) for line in lines} <= allowed, stem


def test_help_explains_every_setting(small, capsys):
    experiment, _, _ = small
    with pytest.raises(SystemExit) as exit_:
        tyro.cli(experiment.config_type, args=["--help"])
    assert exit_.value.code == 0
    shown = capsys.readouterr().out
    for field in dataclasses.fields(experiment.config_type):
        assert f"--{field.name.replace('_', '-')}" in shown


def _nonsense(default):
    """Values that no setting with such a default can mean."""
    match default:
        case bool() | str() | None:
            return []
        case int():
            return [-1, 10**12]
        case float():
            return [math.nan, math.inf, -math.inf]
        case tuple():
            within = _nonsense(default[0])
            return [(), *((value,) * len(default) for value in within)]
    return []


@pytest.mark.parametrize("name", NAMES)
def test_nonsense_is_refused_before_anything_is_computed(name):
    config_type = describe(name).config_type
    tried = 0
    for field in dataclasses.fields(config_type):
        for value in _nonsense(field.default):
            with pytest.raises(ValueError, match=f"^{field.name} must "):
                config_type(**{field.name: value})
            tried += 1
    assert tried


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("learning_rates", {"lowest": 20.0}, "less than highest"),
        ("overfitting", {"widths": (4, 1)}, r"widths must increase; got \(4, 1\)"),
        (
            "overfitting",
            {
                "learning_rate": 1e18,
                "degrees": (0, 40),
                "widths": (1, 2),
                "data_sets": 2,
                "more_rows": 20,
                "epochs": 50,
            },
            "training diverged",
        ),
        ("split_uncertainty", {"learning_rate": 0.5, "epochs": 300}, "in 25 of 25"),
    ],
)
def test_impossible_settings_are_refused(name, settings, message):
    experiment = describe(name)
    config = experiment.config_type(**SMALL[name] | settings)
    with pytest.raises(ValueError, match=message):
        experiment.run(config)


@pytest.mark.parametrize("name", OWNERS)
def test_default_settings_meet_every_published_figure(name):
    experiment = describe(name)
    outcome = experiment.run(experiment.config_type())
    comparisons = _published.compare_all(name, outcome.computed)
    assert {c.id: c.misses for c in comparisons if not c.met} == {}
