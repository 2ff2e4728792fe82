"""How the text of a table is laid out: what parts its fields, and what is a comment."""

import _csv
import contextlib
import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from funclearn.data._table_source import Source

__all__ = ["NAMES", "Layout", "Record", "find_layout", "records"]

NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
"""Possible delimiters, the likelier first; " " stands for blanks and tabs in a row."""

# Enough to tell delimiters apart, and nothing beside reading the whole file.
_SAMPLE = 200

_SEPARATOR = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_LOOKS_NUMERIC = re.compile(r"[+-]?[\d.,]*\d[.]?([eEdD][+-]?\d+)?")


class Layout(NamedTuple):
    """How to part a text into fields.

    Attributes:
        delimiter: one character; " " stands for blanks and tabs in a row.
        width: the number of fields of most lines.
    """

    delimiter: str
    width: int


class Record(NamedTuple):
    """The fields of one row, and the line of the file that it begins on."""

    line: int
    fields: list[str]


def find_layout(source: Source, delimiter: str | None, decimal: str) -> Layout:
    """Finds the delimiter, if it isn't given, and the number of columns.

    The delimiter is the one by which most of the first lines have as many fields, then
    the one by which most of these are numbers; or what Excel's line "sep=;" names.

    Raises:
        ValueError: if the file has no lines but blank ones and comments.
    """
    head = list(itertools.islice(source.lines(), 2 * _SAMPLE))
    lines = [line for line in head if line.strip() and not _begins_comment(line)]
    if not lines:
        raise ValueError(
            f"{source.name} is empty; it needs at least one line of numbers."
        )
    if delimiter is None and (named := _SEPARATOR.fullmatch(head[0])):
        delimiter = named[1]
    possible = [one for one in NAMES if one != decimal]
    judged = (
        _judged(lines[:_SAMPLE], one)
        for one in (possible if delimiter is None else [delimiter])
    )
    return max(judged, key=lambda pair: pair[0])[1]


def records(source: Source, layout: Layout) -> Iterator[Record]:
    """Parts a text into its rows; blank lines and comments are left out.

    A comment is a line that begins with # or % and has not as many fields as a row.

    Raises:
        ValueError: if quotation marks are not as they must be.
    """
    lines = ("\n" if _is_comment(line, layout) else line for line in source.lines())
    reader = _reader(lines, layout.delimiter)
    line = 1
    try:
        for fields in reader:
            if len(fields) > 1 or "".join(fields).strip():
                yield Record(line, fields)
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{source.name}, line {line}: {error}.") from None


def _reader(lines: Iterable[str], delimiter: str) -> "_csv.Reader":
    if delimiter == " ":
        # A blank at the end would begin one more field.
        lines = (line.replace("\t", " ").strip(" \r\n") + "\n" for line in lines)
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)


def _begins_comment(line: str) -> bool:
    return line.lstrip().startswith(("#", "%")) or _names_separator(line)


def _names_separator(line: str) -> bool:
    return bool(_SEPARATOR.fullmatch(line))


def _is_comment(line: str, layout: Layout) -> bool:
    if not _begins_comment(line):
        return False
    if layout.delimiter == " " or _names_separator(line):
        return True
    # A name may be "#", and a broken cell "#N/A".
    return line.count(layout.delimiter) != layout.width - 1


def _judged(lines: list[str], delimiter: str) -> tuple[tuple[float, float], Layout]:
    rows: list[list[str]] = []
    # The sample may end within a field; what is wrong will be said with its line.
    with contextlib.suppress(csv.Error):
        rows.extend(row for row in _reader(lines, delimiter) if row)
    widths = Counter(map(len, rows)).most_common(1) or [(1, 0)]
    ((width, agreeing),) = widths
    cells = [cell.strip() for row in rows for cell in row]
    numeric = sum(map(bool, map(_LOOKS_NUMERIC.fullmatch, cells))) / max(1, len(cells))
    agreement = agreeing / len(lines) if width > 1 else 0.0
    return (agreement, numeric), Layout(delimiter, width)
