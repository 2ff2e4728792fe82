import re
from typing import Any, cast

import numpy as np
import pytest

from experiments.harness import (
    Explorable,
    Outcome,
    Picture,
    Plot,
    Table,
    _packing,
    _summary,
)
from experiments.harness._report import describe, failure, perform, save


def _outcome(outcome):
    return lambda config: outcome


def test_describes_a_package_by_its_chapter(three_numbers):
    experiment = describe(three_numbers)
    assert experiment.name == three_numbers
    assert experiment.summary == "Loses three numbers."
    assert experiment.explanation == "The first is finite."
    assert experiment.sources == ("Reading notes on the book",)
    assert experiment.run(experiment.config_type()).findings


def test_writes_figures_history_and_summary(experiment, tmp_path, read):
    config = experiment.config_type()
    returned = perform(experiment, config, tmp_path, "python")
    folder = tmp_path / "broadcasting"
    assert {path.name for path in folder.iterdir()} == {
        "history.csv",
        "loss.png",
        "loss.svg",
        "summary.json",
    }
    assert (folder / "history.csv").read_text() == "epoch,loss\n1,4.0\n2,inf\n3,nan\n"
    assert _summary.load(folder / "summary.json") == returned
    summary = read(folder / "summary.json")
    assert summary["summary"] == "Loses three numbers."
    assert summary["sources"] == ["Reading notes on the book"]
    assert summary["config"] == {"epochs": 3, "data": None}
    assert summary["tables"][0]["rows"] == [[1, 4.0], [2, "inf"]]
    assert summary["figures"] == [{"file": "loss", "caption": "The loss is lost."}]
    assert summary["history"] == "history.csv"
    assert summary["published"][0] == {
        "id": "broadcast-xxy",
        "source": "Reading notes on the book",
        "setting": "x: (1,) [() in the book], y: (3, 1), z: (1, 3), a: (2, 1, 1)",
        "quantity": "x * y has shape",
        "published": [3, 1],
        "computed": [3, 1],
        "difference": [0, 0],
        "tolerance": [0, 0],
        "rule": "whole number",
        "note": "",
        "met": True,
        "misses": [],
    }


def test_writes_pictures_as_they_are(experiment, tmp_path):
    pictures = {"line": Picture("A line.", "<svg/>")}
    drawn = experiment._replace(run=_outcome(Outcome(pictures=pictures)))
    summary = perform(drawn, drawn.config_type(), tmp_path, "python")
    assert summary.pictures == (_summary.Drawing("line", "A line."),)
    assert summary.history is None
    folder = tmp_path / "broadcasting"
    assert (folder / "line.svg").read_text() == "<svg/>"
    assert not (folder / "history.csv").exists()


def test_writes_the_data_of_explorables_as_a_script(experiment, tmp_path, read):
    data = {"losses": np.arange(3.0)}
    outcome = Outcome(
        pictures={"line": Picture("A line.", "<svg/>")},
        explorables={"moved": Explorable("Move it.", "split", data, "line")},
    )
    drawn = experiment._replace(run=_outcome(outcome))
    perform(drawn, drawn.config_type(), tmp_path, "python")
    folder = tmp_path / "broadcasting"
    script = (folder / "moved.js").read_text()
    assert script == _packing.script("broadcasting/moved", data)
    assert script.startswith('explore.data("broadcasting/moved", {"losses": ')
    assert read(folder / "summary.json")["explorables"] == [
        {"file": "moved", "caption": "Move it.", "script": "split", "still": "line"}
    ]


def test_other_settings_are_not_compared(experiment, tmp_path):
    config = experiment.config_type(epochs=2)
    summary = perform(experiment, config, tmp_path, "python")
    assert not summary.compared
    assert summary.published == ()


def _fail(*axes):
    raise RuntimeError("cannot draw")


unusable = [
    (lambda: Outcome(history={"a": np.ones(3), "b": np.ones(2)}), "shorter"),
    (lambda: Outcome(tables=(Table("T", ("a", "b"), ((1,),)),)), "a row of 1 values"),
    (lambda: Outcome(findings=cast(Any, (3,))), "must be text"),
    (lambda: Outcome(plots={"loss": Plot("A loss.", _fail)}), "cannot draw"),
]


@pytest.mark.parametrize(("outcome", "message"), unusable)
def test_an_unusable_outcome_changes_no_file(experiment, tmp_path, outcome, message):
    config = experiment.config_type()
    perform(experiment, config, tmp_path, "python")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    unusable = experiment._replace(run=lambda config: outcome())
    with pytest.raises((ValueError, RuntimeError), match=message):
        perform(unusable, config, tmp_path, "python")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_settings_must_have_names(experiment, tmp_path):
    constant = experiment._replace(run=_outcome(Outcome()))
    with pytest.raises(TypeError, match=re.escape("must be a dataclass; got 3.")):
        perform(constant, 3, tmp_path, "python")


def test_a_failure_meets_no_figure(tmp_path, read):
    summary = save(tmp_path, failure("broadcasting", OSError("lost"), "python"))
    assert summary.error == "OSError: lost"
    assert [entry.misses for entry in summary.published] == [("not computed",)] * 3
    content = read(tmp_path / "broadcasting" / "summary.json")
    assert content["error"] == "OSError: lost"
    assert content["config"] == {}
    assert content["findings"] == content["tables"] == content["figures"] == []
