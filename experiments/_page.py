"""The page of all results, made from the folders that the experiments wrote.

Both ways of running, one experiment or all of them, end by making `index.html` and the
totals in `summary.json` anew from whatever `OUT` holds, so the page is always whole.
"""

import itertools
import json
import re
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from experiments import NAMES, _published, _style
from experiments._plain import cell, encode, numeric_columns, parts
from experiments._report import write

__all__ = ["count", "rebuild"]


def count(summaries: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """Counts the published figures: those met, and those compared."""
    met = [entry["met"] for summary in summaries for entry in summary["published"]]
    return sum(met), len(met)


def rebuild(out: Path) -> Path:
    """Writes `summary.json` and `index.html` of a folder of results.

    Args:
        out: folder with one folder an experiment.

    Returns:
        The path of the page.
    """
    paths = (out / name / "summary.json" for name in NAMES)
    summaries = [
        json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()
    ]
    totals = _totals(summaries)
    write(out / "summary.json", encode(totals))
    page = _environment(out).get_template("index.html")
    write(
        out / "index.html",
        page.render(experiments=summaries, totals=totals, texts=_published.sources()),
    )
    return out / "index.html"


def _totals(summaries: list[dict[str, Any]]) -> dict[str, Any]:
    met, total = count(summaries)
    return {
        "published": {"met": met, "total": total},
        "seconds": round(sum(summary["seconds"] for summary in summaries), 3),
        "experiments": [_total(summary) for summary in summaries],
    }


def _total(summary: dict[str, Any]) -> dict[str, Any]:
    met, total = count([summary])
    kept = ("name", "seconds", "compared", "error")
    return {key: summary[key] for key in kept} | {"met": met, "total": total}


def _environment(out: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"cell": cell, "prose": _prose, "code": _code}
    environment.globals |= {
        "numeric_columns": numeric_columns,
        "parts": parts,
        "same_setting": _same_setting,
        "style": _style,
        "svg": lambda name, file: _svg(out / name / f"{file}.svg"),
    }
    return environment


def _same_setting(entries: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Groups neighbours of one source and setting."""
    groups = itertools.groupby(entries, key=itemgetter("source", "setting"))
    return [list(group) for _, group in groups]


def _svg(path: Path) -> Markup:
    return Markup(_style.inline(path.read_text(encoding="utf-8")))


def _prose(text: str) -> Markup:
    """Turns paragraphs into HTML; an indented one is a formula or a program."""
    paragraphs = (part for part in text.split("\n\n") if part.strip())
    return Markup("\n").join(map(_paragraph, paragraphs))


def _paragraph(text: str) -> Markup:
    if all(line.startswith("    ") for line in text.splitlines()):
        return Markup("<pre>{}</pre>").format(re.sub(r"(?m)^    ", "", text))
    return Markup("<p>{}</p>").format(_code(text))


def _code(text: str) -> Markup:
    """Marks what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
