"""The summary of a run: the content of `summary.json`, written and read here alone.

`OUT/NAME/summary.json` holds one `Summary`, `OUT/summary.json` the `Totals` of all of
them. The keys are the names of the fields, in their order. Non-finite numbers are the
strings "inf", "-inf" and "nan".
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from experiments.harness import _decoding, _plain
from experiments.harness._experiment import Table
from experiments.harness._plain import Plain
from experiments.harness._published import Comparison

__all__ = [
    "Count",
    "Drawing",
    "Explored",
    "Summary",
    "Total",
    "Totals",
    "add_up",
    "count",
    "decode",
    "encode",
    "load",
]


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure or picture: its file's name without the suffix, and its caption."""

    file: str
    caption: str


@dataclasses.dataclass(frozen=True)
class Explored:
    """An explorable: its data file's name without the suffix, and what it comes with.

    Attributes:
        file: name of the file.
        caption: what it teaches.
        script: name of the script that draws it.
        still: file of the figure or picture that stands in for it.
    """

    file: str
    caption: str
    script: str
    still: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """What an experiment is, how it ran, and what it found.

    Attributes:
        summary: what the experiment shows, in one sentence.
        explanation: the rest of its chapter's docstring.
        sources: the texts that it is about, keys of `_published.sources()`.
        config: its settings.
        seconds: how long it ran.
        findings: sentences about this run.
        tables: tables of plain values.
        figures: the figures, each a PNG and an SVG.
        pictures: the pictures, each an SVG.
        explorables: the explorables, each a script with its data.
        history: name of the CSV file of the training run, None where there is none.
        compared: whether it ran with its default settings, and so is compared with
            the published figures.
        error: the message of an experiment that failed, else None.
        device: the devices that it ran on.
        versions: package -> version.
        name: the experiment.
        command: the command line that runs it again.
        published: the comparisons with the published figures.
    """

    summary: str = ""
    explanation: str = ""
    sources: tuple[str, ...] = ()
    config: Mapping[str, Plain] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    findings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Drawing, ...] = ()
    pictures: tuple[Drawing, ...] = ()
    explorables: tuple[Explored, ...] = ()
    history: str | None = None
    compared: bool = True
    error: str | None = None
    device: str
    versions: Mapping[str, str]
    name: str
    command: str
    published: tuple[Comparison, ...]


@dataclasses.dataclass(frozen=True)
class Count:
    """How many published figures are met, and how many were compared."""

    met: int
    total: int


@dataclasses.dataclass(frozen=True)
class Total:
    """One experiment among the totals."""

    name: str
    seconds: float
    compared: bool
    error: str | None
    met: int
    total: int


@dataclasses.dataclass(frozen=True)
class Totals:
    """The published figures and the seconds of several experiments."""

    published: Count
    seconds: float
    experiments: tuple[Total, ...]


def count(summaries: Iterable[Summary]) -> Count:
    """Counts the published figures of several experiments."""
    met = [entry.met for summary in summaries for entry in summary.published]
    return Count(sum(met), len(met))


def add_up(summaries: Sequence[Summary]) -> Totals:
    """Computes the totals of several experiments."""
    seconds = round(sum(summary.seconds for summary in summaries), 3)
    return Totals(count(summaries), seconds, tuple(map(_total, summaries)))


def _total(summary: Summary) -> Total:
    counted = count([summary])
    return Total(
        name=summary.name,
        seconds=summary.seconds,
        compared=summary.compared,
        error=summary.error,
        met=counted.met,
        total=counted.total,
    )


def encode(content: Summary | Totals) -> str:
    """Writes a summary or the totals as strict JSON."""
    return _plain.encode(content)


def decode(text: str) -> Summary:
    """Reads a summary that `encode` wrote.

    Raises:
        ValueError: the text is not JSON, or not the summary that this version writes.
    """
    try:
        return _decoding.decode(Summary, json.loads(text))
    except RecursionError:
        raise ValueError("it is nested too deeply.") from None


def load(path: Path) -> Summary:
    """Reads the `summary.json` of one experiment.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, another version wrote it, or it belongs to another
            experiment than its folder.
    """
    try:
        summary = decode(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a summary of this version: {error}") from error
    if summary.name != path.parent.name:
        raise ValueError(f"{path} is the summary of {summary.name!r}.")
    return summary
