"""What holds for a small run of every experiment, whichever file runs it."""

import contextlib
import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
import tyro
from matplotlib.colors import to_hex
from matplotlib.text import Text

from experiments.harness import Outcome, _page, _published, style
from experiments.harness._report import Experiment, describe, perform

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
    "explorables": list,
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
    "rule",
    "note",
    "met",
    "misses",
}


@contextlib.contextmanager
def recorded(module: ModuleType, name: str) -> Iterator[list[Any]]:
    """Collects what calls of a module's function return."""
    function, returned = getattr(module, name), []

    def record(*args: Any, **options: Any) -> Any:
        returned.append(function(*args, **options))
        return returned[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, record)
        yield returned


def written(
    name: str, config: object, out: Path, run: Callable[..., Outcome] | None = None
) -> tuple[Experiment, Outcome, Path]:
    """An experiment, what a run of it found, and the folder with its results.

    Args:
        name: of the experiment.
        config: settings that make the run short.
        out: where the folder is made.
        run: what runs it, if not the experiment alone.
    """
    experiment = describe(name)
    outcome = (run or experiment.run)(config)
    perform(experiment._replace(run=lambda _: outcome), config, out, "python")
    return experiment, outcome, out / name


def page_of(name: str, config: object, outcome: Outcome, out: Path) -> Path:
    """The page of one experiment that found a given outcome.

    Args:
        name: of the experiment.
        config: what it is said to have run with.
        outcome: what is shown.
        out: where the page and the folder with the results are made.
    """
    written(name, config, out, lambda _: outcome)
    return _page.rebuild(out).path


def studied(page: ModuleType, name: str, config: object, out: Path) -> tuple[Any, ...]:
    """What `written` returns of a run, and all that the page's study found in it."""
    with recorded(page, "study") as found:
        small = written(name, config, out)
    return small, *found


def _refuse(constant):
    raise AssertionError(f"{constant} is not strict JSON")


class SmallRun:
    """Tests of what the fixture `small` of a subclass got from `written`."""

    def test_describes_itself(self, small):
        experiment, _, _ = small
        assert re.fullmatch(r"[^\n]{10,}\.", experiment.summary)
        assert experiment.sources
        assert set(experiment.sources) <= set(_published.sources())

    def test_computes_its_own_figures_only(self, small):
        experiment, outcome, _ = small
        owned = {e.id for e in _published.load() if e.experiment == experiment.name}
        assert set(outcome.computed) <= owned

    def test_summary_validates(self, small):
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
        assert [picture["file"] for picture in summary["pictures"]] == [
            *outcome.pictures
        ]

    def test_history_has_a_row_an_epoch(self, small):
        _, outcome, folder = small
        if outcome.history:
            header, *rows = (folder / "history.csv").read_text().splitlines()
            assert header == ",".join(("epoch", *outcome.history))
            assert [int(row.split(",")[0]) for row in rows] == [
                *range(1, len(rows) + 1)
            ]
        assert (folder / "history.csv").exists() is bool(outcome.history)

    def test_figures_are_written(self, small):
        _, outcome, folder = small
        for stem, plot in outcome.plots.items():
            assert plot.caption.endswith(".")
            assert (folder / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
            ElementTree.parse(folder / f"{stem}.svg")

    def test_pictures_are_written(self, small):
        _, outcome, folder = small
        for stem, picture in outcome.pictures.items():
            assert picture.caption.endswith(".")
            text = (folder / f"{stem}.svg").read_text()
            assert "id=" not in text
            assert ElementTree.fromstring(text).attrib["role"] == "img"

    def test_figures_say_their_point_within_their_bounds(self, small):
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

    def test_lines_take_their_colours_from_the_style(self, small):
        _, outcome, _ = small
        allowed = {to_hex(colour) for colour in (*style.PALETTE, style.INK)}
        allowed |= {to_hex(colour) for colour in ("black", "white")}
        for stem, plot in outcome.plots.items():
            with style.style():
                lines = [line for axes in plot.figure().axes for line in axes.lines]
            assert {to_hex(line.get_color()) for line in lines} <= allowed, stem

    def test_help_explains_every_setting(self, small, capsys):
        experiment, _, _ = small
        with pytest.raises(SystemExit) as exit_:
            tyro.cli(experiment.config_type, args=["--help"])
        assert exit_.value.code == 0
        shown = capsys.readouterr().out
        for field in dataclasses.fields(experiment.config_type):
            assert f"--{field.name.replace('_', '-')}" in shown
