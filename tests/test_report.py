"""Tests of the experiments' outer edge, on an experiment of three numbers."""

import dataclasses
import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments import _page, _suite
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch
from experiments._report import describe, perform, write

SOURCES = ("Reading notes on the book",)
SHAPES = {
    "broadcast-xxy": (3, 1),
    "broadcast-yxz": (3, 3),
    "broadcast-yxzxa": (2, 3, 3),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    epochs: int = 3
    """Number of epochs."""
    data: Path | None = None
    """File to read."""


def _draw():
    figure = Figure()
    figure.subplots().plot([1.0, 2.0])
    return figure


def run(config):
    if config.epochs < 0:
        raise ValueError("epochs must not be negative")
    loss = np.array([4.0, math.inf, math.nan], np.float32)[: config.epochs]
    return Outcome(
        computed=SHAPES,
        tables=(Table("Losses", ("epoch", "loss"), ((1, np.float32(4)), (2, np.inf))),),
        plots={"loss": Plot("The loss is lost.", _draw)},
        history={"loss": loss},
        findings=("The loss is lost at epoch 2.",),
    )


def _outcome(outcome):
    return lambda config: outcome


def _interrupted(*arguments):
    raise KeyboardInterrupt


def _refuse(constant):
    raise AssertionError(f"{constant} is not strict JSON")


def _read(path):
    return json.loads(path.read_text(), parse_constant=_refuse)


EXPERIMENT = describe("broadcasting", run, Config)
WRONG = EXPERIMENT._replace(
    run=_outcome(Outcome(computed=SHAPES | {"broadcast-xxy": 3}))
)
BROKEN = EXPERIMENT._replace(name="validation", run=lambda config: 1 // 0)


def test_writes_figures_history_and_summary(tmp_path):
    summary = perform(EXPERIMENT, Config(), tmp_path, "python")
    folder = tmp_path / "broadcasting"
    assert {path.name for path in folder.iterdir()} == {
        "history.csv",
        "loss.png",
        "loss.svg",
        "summary.json",
    }
    assert (folder / "history.csv").read_text() == "epoch,loss\n1,4.0\n2,inf\n3,nan\n"
    assert _read(folder / "summary.json") == summary
    assert summary["summary"] == (
        "Tests of the experiments' outer edge, on an experiment of three numbers."
    )
    assert summary["sources"] == list(SOURCES)
    assert summary["config"] == {"epochs": 3, "data": None}
    assert summary["tables"][0]["rows"] == [[1, 4.0], [2, "inf"]]
    assert summary["figures"] == [{"file": "loss", "caption": "The loss is lost."}]
    assert summary["published"][0] == {
        "id": "broadcast-xxy",
        "source": "Reading notes on the book",
        "setting": "x: (1,) [() in the book], y: (3, 1), z: (1, 3), a: (2, 1, 1)",
        "quantity": "x * y has shape",
        "published": [3, 1],
        "computed": [3, 1],
        "difference": [0, 0],
        "tolerance": [0, 0],
        "met": True,
        "misses": [],
    }


def test_other_settings_are_not_compared(tmp_path):
    summary = perform(EXPERIMENT, Config(epochs=2), tmp_path, "python")
    assert not summary["compared"]
    assert summary["published"] == []


def test_histories_of_unequal_length_are_refused(tmp_path):
    uneven = Outcome(history={"loss": np.ones(3), "weight": np.ones(2)})
    with pytest.raises(ValueError, match="shorter"):
        perform(EXPERIMENT._replace(run=_outcome(uneven)), Config(), tmp_path, "python")


def test_an_interrupt_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    write(path, "old")
    monkeypatch.setattr(os, "replace", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(path, "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("summary.json", "old")
    ]


def test_totals_count_the_whole_folder(tmp_path):
    perform(EXPERIMENT, Config(), tmp_path, "python")
    perform(EXPERIMENT._replace(name="autograd"), Config(epochs=1), tmp_path, "python")
    _page.rebuild(tmp_path)
    totals = _read(tmp_path / "summary.json")
    assert totals["published"] == {"met": 3, "total": 3}
    assert [(total["name"], total["compared"]) for total in totals["experiments"]] == [
        ("broadcasting", True),
        ("autograd", False),
    ]


options_status_last_line = [
    ([], 0, "test_report written, and"),
    (["--epochs", "2"], 0, "published figures: not compared"),
]


@pytest.mark.parametrize(("options", "status", "last_line"), options_status_last_line)
def test_launch(tmp_path, monkeypatch, capsys, options, status, last_line):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["-m", *options])
    with pytest.raises(SystemExit) as exit_:
        launch(run, Config)
    assert exit_.value.code == status
    output = capsys.readouterr().out
    assert output.startswith("JAX runs on ")
    assert "The loss is lost at epoch 2." in output
    assert last_line in output.splitlines()[-1]
    summary = _read(tmp_path / "results" / "test_report" / "summary.json")
    assert summary["command"].split() == [
        *"python -m experiments.test_report".split(),
        *options,
    ]
    assert (tmp_path / "results" / "index.html").exists()


def test_launch_ends_with_1_where_a_figure_is_missed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["-m", "--out", str(tmp_path)])
    monkeypatch.setattr("experiments._launch.describe", lambda *_: WRONG)
    with pytest.raises(SystemExit) as exit_:
        launch(run, Config)
    assert exit_.value.code == 1
    shown = capsys.readouterr().out
    assert "MISSED" in shown
    assert shown.splitlines()[-1] == "published figures: 2 of 3 met"


def test_launch_refuses_settings_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["-m", "--epochs", "-1", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as exit_:
        launch(run, Config)
    assert exit_.value.code == 1
    assert capsys.readouterr().err == "error: epochs must not be negative\n"


def test_launch_explains_every_option(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["-m", "--help"])
    with pytest.raises(SystemExit) as exit_:
        launch(run, Config)
    assert exit_.value.code == 0
    shown = capsys.readouterr().out
    assert "python -m experiments.test_report" in shown
    for part in ("--epochs INT", "Number of epochs.", "(default: 3)", "--out"):
        assert part in shown


def test_an_interrupted_launch_ends_with_130(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["-m", "--out", str(tmp_path)])
    monkeypatch.setattr("experiments._launch.perform", _interrupted)
    with pytest.raises(SystemExit) as exit_:
        launch(run, Config)
    assert exit_.value.code == 130


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """Runs the command line of all experiments on the given ones."""

    def run_suite(experiments, *options):
        monkeypatch.setattr(_suite, "NAMES", tuple(experiments))
        monkeypatch.setattr(_suite, "_import", experiments.__getitem__)
        return _suite.main([*options, "--out", str(tmp_path)])

    return run_suite


experiments_status_last_line = [
    ({"broadcasting": EXPERIMENT}, 0, "published figures: 3 of 3 met"),
    ({"broadcasting": WRONG}, 1, "published figures: 2 of 3 met"),
    (
        {"validation": BROKEN, "broadcasting": EXPERIMENT},
        1,
        "published figures: 3 of 14 met",
    ),
]


@pytest.mark.parametrize(
    ("experiments", "status", "last_line"), experiments_status_last_line
)
def test_suite_counts_what_is_met(suite, capsys, experiments, status, last_line):
    assert suite(experiments) == status
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("JAX runs on ")
    assert [line.split()[0] for line in lines[1 : len(experiments) + 1]] == [
        *experiments
    ]
    assert lines[-1] == last_line


def test_suite_shows_the_error_and_goes_on(suite, capsys, tmp_path):
    suite({"validation": BROKEN, "broadcasting": EXPERIMENT})
    assert "ZeroDivisionError" in capsys.readouterr().err
    summary = _read(tmp_path / "validation" / "summary.json")
    assert summary["error"].startswith("ZeroDivisionError: ")
    assert not any(entry["met"] for entry in summary["published"])
    assert _read(tmp_path / "broadcasting" / "summary.json")["error"] is None
    assert "ZeroDivisionError" in (tmp_path / "index.html").read_text()


def test_suite_runs_the_named_ones_once_and_in_order(suite, capsys):
    both = {"broadcasting": EXPERIMENT, "autograd": EXPERIMENT, "wide_net": BROKEN}
    assert suite(both, "autograd", "broadcasting", "autograd") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["broadcasting"] * 2
    assert lines[-1] == "published figures: 6 of 6 met"


def test_suite_lists_summaries_and_sources(suite, capsys, tmp_path):
    assert suite({"broadcasting": EXPERIMENT}, "--list") == 0
    shown = capsys.readouterr().out
    for part in ("broadcasting", EXPERIMENT.summary, *SOURCES):
        assert part in " ".join(shown.split())
    assert not (tmp_path / "broadcasting").exists()


@pytest.mark.parametrize(
    ("name", "hint"),
    [("autgrad", "did you mean 'autograd'?"), ("xyz", "--list shows them all.")],
)
def test_suite_suggests_the_nearest_name(suite, capsys, name, hint):
    both = {"broadcasting": EXPERIMENT, "autograd": EXPERIMENT}
    assert suite(both, name) == 2
    assert capsys.readouterr().err == f"No experiment is called {name!r}: {hint}\n"
