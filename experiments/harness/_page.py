"""The page of all results, made from the folders that the experiments wrote.

Running one experiment and running all of them both end by writing `index.html` and the
totals in `summary.json` anew from what `OUT` holds, so the page always shows all of it.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import jinja2
from markupsafe import Markup, escape

from experiments import NAMES, SUBJECTS, TITLES
from experiments.harness import _published, _summary, style
from experiments.harness._files import write
from experiments.harness._plain import cell, numeric_columns, parts, written
from experiments.harness._published import Comparison
from experiments.harness._summary import Summary

__all__ = ["Page", "rebuild"]

_TEMPLATES = Path(__file__).with_name("templates")


class Page(NamedTuple):
    """The page that was written.

    Attributes:
        path: its file.
        left_out: a sentence for every experiment that it leaves out because its
            folder cannot be read.
    """

    path: Path
    left_out: tuple[str, ...]


class _Article(NamedTuple):
    """An experiment on the page, and its SVGs by the names of their files."""

    summary: Summary
    drawings: dict[str, Markup]


def rebuild(out: Path) -> Page:
    """Writes `summary.json` and `index.html` of a folder of results.

    A folder of an experiment that is damaged or was written by another version is left
    out. Nothing is written before the whole page has been made.

    Args:
        out: folder with one folder an experiment.
    """
    articles, left_out = _read_all(out)
    summaries = [article.summary for article in articles.values()]
    totals = _summary.add_up(summaries)
    page = _environment(articles).get_template("index.html")
    html = page.render(
        subjects=_by_subject(articles),
        totals=totals,
        counts={total.name: total for total in totals.experiments},
        texts=_published.sources(),
        cited=_cited(summaries),
        scripts=_scripts(summaries),
    )
    write(out / "summary.json", _summary.encode(totals))
    write(out / "index.html", html)
    return Page(out / "index.html", left_out)


def _read_all(out: Path) -> tuple[dict[str, _Article], tuple[str, ...]]:
    articles: dict[str, _Article] = {}
    left_out: list[str] = []
    for name in NAMES:
        try:
            if (out / name / "summary.json").exists():
                articles[name] = _read(out / name)
        except (OSError, ValueError) as error:
            reason = f"The page leaves out {name} until it is run again: {error}"
            left_out.append(reason)
    return articles, tuple(left_out)


def _read(folder: Path) -> _Article:
    summary = _summary.load(folder / "summary.json")
    files = [drawing.file for drawing in (*summary.figures, *summary.pictures)]
    for each in summary.explorables:
        if not _script(each.script).exists():
            raise ValueError(
                f"{folder} needs {each.script!r}, a script that this version lacks."
            )
    return _Article(summary, {file: _svg(folder / f"{file}.svg") for file in files})


def _scripts(summaries: Sequence[Summary]) -> list[Markup]:
    """The scripts of the explorables, each once, after what they have in common."""
    names = [each.script for summary in summaries for each in summary.explorables]
    used = dict.fromkeys(("common", *names)) if names else {}
    return [Markup(_script(name).read_text(encoding="utf-8")) for name in used]


def _script(name: str) -> Path:
    return _TEMPLATES / "explorables" / f"{name}.js"


def _by_subject(articles: Mapping[str, _Article]) -> dict[str, list[Summary]]:
    """Groups the experiments that have been run; a subject without any is left out."""
    groups = {
        subject: [articles[name].summary for name in names if name in articles]
        for subject, names in SUBJECTS.items()
    }
    return {subject: members for subject, members in groups.items() if members}


def _cited(summaries: Sequence[Summary]) -> dict[str, list[str]]:
    """Finds the experiments that are about a text, by its name."""
    return {
        source: [summary.name for summary in summaries if source in summary.sources]
        for source in _published.sources()
    }


def _environment(articles: Mapping[str, _Article]) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "cell": cell,
        "prose": _prose,
        "code": _code,
        "powers": _powers,
        "anchor": _anchor,
    }
    environment.globals |= {
        "numeric_columns": numeric_columns,
        "parts": parts,
        "same_setting": _same_setting,
        "style": style,
        "title": lambda name: TITLES.get(name, name),
        "svg": lambda name, file: articles[name].drawings[file],
    }
    return environment


def _powers(text: str) -> str:
    """Writes the numbers of a sentence as people do: 1e-2 is 0.01."""
    number = r"(?<![\w.])\d+(?:\.\d+)?e[-+]?\d+\b"
    return re.sub(number, lambda found: written(found[0]), text)


def _anchor(text: str) -> str:
    """Turns words into an identifier."""
    return re.sub(r"\W+", "-", text).strip("-").lower()


def _same_setting(entries: Sequence[Comparison]) -> list[list[Comparison]]:
    """Groups neighbours of one source and setting."""
    groups = itertools.groupby(entries, key=attrgetter("source", "setting"))
    return [list(group) for _, group in groups]


def _svg(path: Path) -> Markup:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not an SVG: {error}") from error
    return Markup(style.inline(text))


def _prose(text: str) -> Markup:
    """Turns paragraphs into HTML; an indented one is a formula or a program."""
    paragraphs = (part for part in text.split("\n\n") if part.strip())
    return Markup("\n").join(map(_paragraph, paragraphs))


def _paragraph(text: str) -> Markup:
    if all(line.startswith("    ") for line in text.splitlines()):
        program = re.sub(r"(?m)^    ", "", text)
        return Markup('<pre tabindex="0">{}</pre>').format(program)
    return Markup("<p>{}</p>").format(_code(text))


def _code(text: str) -> Markup:
    """Marks what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
