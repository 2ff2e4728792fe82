"""Runs an experiment and writes its folder of results.

`OUT/NAME/` holds every figure as PNG and SVG, every picture as SVG, the data of every
explorable as a script, `history.csv` where there was a training run, and
`summary.json`, from which the page is made.
"""

import csv
import importlib
import inspect
import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.harness import _environment, _packing, _published, _summary, style
from experiments.harness._experiment import Explorable, Outcome, Picture, Plot
from experiments.harness._files import write
from experiments.harness._plain import Plain, plain
from experiments.harness._summary import Drawing, Explored, Summary

__all__ = ["Experiment", "Result", "compute", "describe", "failure", "perform", "save"]


class Experiment(NamedTuple):
    """An experiment and what its chapter says about it."""

    name: str
    summary: str
    explanation: str
    sources: tuple[str, ...]
    config_type: type
    run: Callable[[Any], Outcome]


class Result(NamedTuple):
    """What an experiment found, and the files that it comes with, by their names."""

    summary: Summary
    files: Mapping[str, str | bytes]


def describe(name: str) -> Experiment:
    """Imports an experiment and adds what its chapter says: docstring and sources."""
    package = importlib.import_module(f"experiments.{name}")
    chapter = importlib.import_module(f"experiments.{name}.chapter")
    docstring = inspect.cleandoc(chapter.__doc__ or "")
    summary, _, explanation = docstring.partition("\n\n")
    return Experiment(
        name, summary, explanation, chapter.SOURCES, package.Config, package.run
    )


def compute(experiment: Experiment, config: object, command: str) -> Result:
    """Runs an experiment and draws its figures; writes nothing.

    Args:
        experiment: what to run.
        config: settings; a published figure is compared with what the default ones
            compute, and with nothing else.
        command: the command line that does this again.
    """
    started = time.perf_counter()
    outcome = experiment.run(config)
    files: dict[str, str | bytes] = {**outcome.files}
    for stem, plot in outcome.plots.items():
        files |= _draw(experiment.name, stem, plot)
    for stem, picture in outcome.pictures.items():
        files[f"{stem}.svg"] = picture.svg
    for stem, explorable in outcome.explorables.items():
        files[f"{stem}.js"] = _packing.script(
            f"{experiment.name}/{stem}", explorable.data
        )
    if outcome.history:
        files["history.csv"] = _history(outcome.history)
    seconds = round(time.perf_counter() - started, 3)
    summary = _summarise(experiment, config, outcome, command, seconds)
    # As it will be read; what JSON does not hold is refused here, before any file.
    return Result(_summary.decode(_summary.encode(summary)), files)


def _summarise(
    experiment: Experiment,
    config: object,
    outcome: Outcome,
    command: str,
    seconds: float,
) -> Summary:
    compared = config == experiment.config_type()
    published = _published.compare_all(
        experiment.name, outcome.computed, outcome.data_sets
    )
    return Summary(
        summary=experiment.summary,
        explanation=experiment.explanation,
        sources=experiment.sources,
        config=_settings(config),
        seconds=seconds,
        findings=outcome.findings,
        tables=outcome.tables,
        figures=_drawings(outcome.plots),
        pictures=_drawings(outcome.pictures),
        explorables=_explored(outcome.explorables),
        history="history.csv" if outcome.history else None,
        compared=compared,
        device=_environment.device(),
        versions=_environment.versions(),
        name=experiment.name,
        command=command,
        published=published if compared else (),
    )


def _settings(config: object) -> dict[str, Plain]:
    settings = plain(config)
    if not isinstance(settings, dict):
        raise TypeError(f"a config must be a dataclass; got {config!r}.")
    return settings


def _drawings(drawn: Mapping[str, Plot] | Mapping[str, Picture]) -> tuple[Drawing, ...]:
    return tuple(Drawing(stem, drawing.caption) for stem, drawing in drawn.items())


def _explored(explorables: Mapping[str, Explorable]) -> tuple[Explored, ...]:
    return tuple(
        Explored(stem, each.caption, each.script, each.still)
        for stem, each in explorables.items()
    )


def perform(experiment: Experiment, config: object, out: Path, command: str) -> Summary:
    """Runs an experiment as `compute` does, and writes its folder as `save` does."""
    return save(out, compute(experiment, config, command))


def failure(name: str, error: Exception, command: str) -> Result:
    """Describes an experiment that failed: it meets no published figure."""
    summary = Summary(
        error=f"{type(error).__name__}: {error}",
        device=_environment.device(),
        versions=_environment.versions(),
        name=name,
        command=command,
        published=_published.compare_all(name, {}),
    )
    return Result(summary, {})


def save(out: Path, result: Result) -> Summary:
    """Writes an experiment's folder of a folder of results, its summary last.

    Returns:
        The content of `summary.json`.

    Raises:
        OSError: a file cannot be written.
    """
    folder = out / result.summary.name
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in result.files.items():
        write(folder / name, content)
    write(folder / "summary.json", _summary.encode(result.summary))
    return result.summary


def _draw(name: str, stem: str, plot: Plot) -> dict[str, str | bytes]:
    with style.style():
        figure = plot.figure()
    style.lay_out(figure)
    png = style.png(figure)
    svg = style.svg(figure, prefix=f"{name}-{stem}", label=plot.caption)
    return {f"{stem}.png": png, f"{stem}.svg": svg}


def _history(columns: Mapping[str, np.ndarray]) -> str:
    rows = zip(*columns.values(), strict=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("epoch", *columns))
    writer.writerows((epoch, *row) for epoch, row in enumerate(rows, start=1))
    return text.getvalue()
