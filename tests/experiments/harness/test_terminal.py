import io
from pathlib import Path

import pytest
from rich.console import Console

from experiments.harness import Table, _environment, _published, _terminal
from experiments.harness._page import Page
from experiments.harness._summary import Summary


def _new(name, computed, **fields):
    return Summary(
        device="cpu",
        versions={},
        name=name,
        command="python",
        published=_published.compare_all(name, computed),
        **fields,
    )


SHAPES = {"broadcast-xxy": (3, 1), "broadcast-yxz": (3, 3), "broadcast-yxzxa": (9,)}


@pytest.fixture
def terminal():
    return Console(
        file=io.StringIO(), width=100, markup=False, emoji=False, highlight=False
    )


def _lines(terminal):
    return [line.rstrip() for line in terminal.file.getvalue().splitlines()]


def test_text_is_printed_as_it_is(capsys):
    _terminal.console().print("[bold]:smile:[/bold] [0, 1]")
    assert capsys.readouterr().out == "[bold]:smile:[/bold] [0, 1]\n"


@pytest.mark.parametrize("reason", [None, "This machine has a TPU."])
def test_shows_the_device_and_why_another_is_idle(terminal, monkeypatch, reason):
    monkeypatch.setattr(_environment, "device", lambda: "cpu")
    monkeypatch.setattr(_environment, "idle_accelerator", lambda: reason)
    _terminal.show_device(terminal)
    assert _lines(terminal) == ["JAX runs on cpu."] + [reason] * bool(reason)


def test_shows_tables_and_findings(terminal):
    tables = (
        Table("Losses", ("epoch", "loss", "kind"), ((1, 0.5, "a"), (10, "inf", "bcd"))),
        Table("None", ("a", "b"), ()),
    )
    summary = _new("autograd", {}, tables=tables, findings=("One.", "[Two]."))
    _terminal.show_summary(terminal, summary)
    lines = _lines(terminal)
    assert lines[1:3] == ["Losses", "epoch   loss   kind"]
    assert lines[4:6] == ["    1    0.5   a", "   10    inf   bcd"]
    assert "None" in lines
    assert lines[-2:] == ["- One.", "- [Two]."]


@pytest.mark.parametrize(
    ("summary", "line"),
    [
        (_new("broadcasting", SHAPES, seconds=1.26), "1.3 s  2 of 3 met"),
        (_new("learning_rates", {}, seconds=12.0), "12.0 s"),
        (_new("broadcasting", {}, error="OSError: lost"), "0.0 s  OSError: lost"),
    ],
)
def test_progress_line(summary, line):
    assert _terminal.progress_line(summary).split(maxsplit=1) == [summary.name, line]


def test_shows_published_figures_a_table_a_source(terminal):
    computed = {"diverging-lr-1e-2-epoch-1": {"loss": 1763.884644, "params": [1.0]}}
    summaries = [
        _new("broadcasting", SHAPES),
        _new("parameter_estimation", computed),
    ]
    _terminal.show_published(terminal, summaries)
    lines = _lines(terminal)
    sources = [line for line in lines if line in _published.sources()]
    assert sources[0] == "Reading notes on the book"
    assert len(sources) == len(set(sources)) > 1
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert rows["broadcast-xxy"][-3:] == ["1)", "exact", "met"]
    assert rows["broadcast-yxzxa"][-1] == "MISSED"
    assert rows["diverging-lr-1e-2-epoch-1"] == ["diverging-lr-1e-2-epoch-1", "MISSED"]
    assert any("loss" in line and "1763.8846440" in line for line in lines)


def test_totals():
    summaries = [_new("broadcasting", SHAPES), _new("learning_rates", {})]
    assert _terminal.totals(summaries) == "published figures: 2 of 3 met"


def test_shows_what_the_page_leaves_out_as_errors(capsys):
    _terminal.show_left_out(Page(Path("index.html"), ("One.", "Two.")))
    assert capsys.readouterr() == ("", "One.\nTwo.\n")
