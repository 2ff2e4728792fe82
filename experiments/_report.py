"""Runs an experiment and writes its folder of results.

`OUT/NAME/` holds every figure as PNG and SVG, every picture as SVG, `history.csv` where
there was a training run, and `summary.json`, from which the page is made:

- `name`, `summary`, `explanation`, `sources`, `command`: which experiment, and how to
  run it again;
- `config`, `device`, `versions`, `seconds`: how it ran;
- `findings`, `tables` (`title`, `columns`, `rows`), `figures` and `pictures` (`file`,
  the name without its suffix, and `caption`), `history` (file name or null): what it
  found;
- `compared`: whether it ran with its default settings, and so is compared;
- `published`: for every published figure `id`, `source`, `setting`, `quantity`,
  `published`, `computed`, `difference`, `tolerance`, `met`, `misses`;
- `error`: the message of an experiment that failed, else null.

Non-finite numbers are the strings "inf", "-inf" and "nan".
"""

import csv
import inspect
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import _environment, _published, _style
from experiments._experiment import Outcome, Plot
from experiments._plain import encode

__all__ = ["Experiment", "describe", "perform", "record_failure", "write"]


class Experiment(NamedTuple):
    """An experiment and what its module says about it."""

    name: str
    summary: str
    explanation: str
    sources: tuple[str, ...]
    config_type: type
    run: Callable[[Any], Outcome]


def describe(name: str, run: Callable[[Any], Outcome], config_type: type) -> Experiment:
    """Adds what the module of `run` says: docstring and sources."""
    module = sys.modules[run.__module__]
    summary, _, explanation = inspect.cleandoc(module.__doc__ or "").partition("\n\n")
    return Experiment(name, summary, explanation, module.SOURCES, config_type, run)


def perform(
    experiment: Experiment, config: Any, out: Path, command: str
) -> dict[str, Any]:
    """Runs an experiment, draws its figures and writes its folder.

    Args:
        experiment: what to run.
        config: settings; a published figure is compared with what the default ones
            compute, and with nothing else.
        out: folder of all results.
        command: the command line that does this again.

    Returns:
        The content of `summary.json`.
    """
    started = time.perf_counter()
    outcome = experiment.run(config)
    folder = out / experiment.name
    folder.mkdir(parents=True, exist_ok=True)
    figures = [_draw(folder, stem, plot) for stem, plot in outcome.plots.items()]
    for stem, picture in outcome.pictures.items():
        write(folder / f"{stem}.svg", picture.svg)
    if outcome.history:
        write(folder / "history.csv", _history(outcome.history))
    compared = config == experiment.config_type()
    return _save(
        folder,
        name=experiment.name,
        summary=experiment.summary,
        explanation=experiment.explanation,
        sources=experiment.sources,
        command=command,
        config=config,
        seconds=round(time.perf_counter() - started, 3),
        findings=outcome.findings,
        tables=[table._asdict() for table in outcome.tables],
        figures=figures,
        pictures=[
            {"file": stem, "caption": picture.caption}
            for stem, picture in outcome.pictures.items()
        ],
        history="history.csv" if outcome.history else None,
        compared=compared,
        published=_comparisons(experiment.name, outcome.computed) if compared else [],
    )


def record_failure(
    name: str, error: Exception, out: Path, command: str
) -> dict[str, Any]:
    """Writes the summary of an experiment that failed: it meets no published figure."""
    return _save(
        out / name,
        name=name,
        command=command,
        published=_comparisons(name, {}),
        error=f"{type(error).__name__}: {error}",
    )


_EMPTY: dict[str, Any] = {
    "summary": "",
    "explanation": "",
    "sources": [],
    "config": {},
    "seconds": 0.0,
    "findings": [],
    "tables": [],
    "figures": [],
    "pictures": [],
    "history": None,
    "compared": True,
    "error": None,
}


def _save(folder: Path, **found: Any) -> dict[str, Any]:
    where = {"device": _environment.device(), "versions": _environment.versions()}
    text = encode(_EMPTY | where | found)
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "summary.json", text)
    return json.loads(text)


def _comparisons(name: str, computed: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": comparison.published.id,
            "source": comparison.published.source,
            "setting": comparison.published.setting,
            "quantity": comparison.published.quantity,
            "published": comparison.published.value,
            "computed": comparison.computed,
            "difference": comparison.difference,
            "tolerance": comparison.tolerance,
            "met": comparison.met,
            "misses": comparison.misses,
        }
        for comparison in _published.compare_all(name, computed)
    ]


def _draw(folder: Path, stem: str, plot: Plot) -> dict[str, str]:
    with _style.style():
        figure = plot.draw()
    prefix = f"{folder.name}-{stem}"
    write(folder / f"{stem}.png", _style.png(figure))
    write(folder / f"{stem}.svg", _style.svg(figure, prefix=prefix, label=plot.caption))
    return {"file": stem, "caption": plot.caption}


def _history(columns: Mapping[str, np.ndarray]) -> str:
    rows: Iterable[tuple[Any, ...]] = zip(*columns.values(), strict=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("epoch", *columns))
    writer.writerows((epoch, *row) for epoch, row in enumerate(rows, start=1))
    return text.getvalue()


def write(path: Path, content: str | bytes) -> None:
    """Writes a file whole or not at all: an interrupt leaves what was there before."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
