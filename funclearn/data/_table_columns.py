"""Columns of a table as arrays: quickly where they hold plain numbers alone."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Int, Shaped

from funclearn.data._table_cells import is_missing, numbers
from funclearn.data._table_layout import Record
from funclearn.data._table_readers import Numbers, plain_rows, reader
from funclearn.data._table_sheet import Sheet

__all__ = ["Column", "read_columns"]

Lines: TypeAlias = Int[np.ndarray, " n"]

# Few enough to stay small, and enough to make the work for each of them small.
_ROWS_AT_ONCE = 2000

# Integers from here on have neighbours that are the same float64.
_EXACT = 2.0**53


class Column(NamedTuple):
    """The cells of one column.

    Attributes:
        values: float64, NaN where a cell is missing; or, where any holds text, the
            positions of the cells among the labels, -1 where one is missing.
        labels: the distinct texts, in the order of their first cells; None where there
            are only numbers.
        marks: the texts that stood for missing cells.
    """

    values: Shaped[np.ndarray, " n"]
    labels: tuple[str, ...] | None = None
    marks: tuple[str, ...] = ()


def read_columns(
    sheet: Sheet, positions: Sequence[int]
) -> tuple[tuple[Column, ...], Lines]:
    """Reads columns of a table, and the lines that its rows begin on.

    What a library reads at once is taken over where it can be nothing else: plain
    numbers, as many to a line as there are columns. A second look, cell by cell, reads
    all other columns, or finds what is wrong with them.

    Raises:
        ValueError: where a row has more or fewer fields than there are columns, or
            quotation marks are not as they must be.
    """
    found, lines = _quick_columns(sheet, positions)
    others = [one for one in positions if one not in found]
    if others:
        plain, lines = _plain_columns(sheet, others)
        found |= plain
    columns = {one: Column(values) for one, values in found.items()}
    rest = [one for one in others if one not in found]
    for one, texts in _texts(sheet, rest).items():
        columns[one] = _interpreted(texts, sheet.decimal)
    return tuple(columns[one] for one in positions), lines


def _plain_columns(
    sheet: Sheet, positions: Sequence[int]
) -> tuple[dict[int, Numbers], Lines]:
    """Those of the columns that hold plain numbers alone."""
    found: dict[int, list[Numbers]] = {one: [] for one in positions}
    lines: list[int] = []
    for rows in _some_rows(sheet):
        lines += [row.line for row in rows]
        columns = [*zip(*(row.fields for row in rows), strict=True)]
        for one in list(found):
            part = _floats(columns[one], sheet.decimal)
            if part is None:
                del found[one]
            else:
                found[one].append(part)
    joined = {one: np.concatenate(parts) for one, parts in found.items()}
    return joined, np.asarray(lines)


def _texts(sheet: Sheet, positions: Sequence[int]) -> dict[int, list[str]]:
    if not positions:
        return {}
    texts: dict[int, list[str]] = {one: [] for one in positions}
    # Equal texts share one object: a category stands in many rows.
    shared: dict[str, str] = {}
    for rows in _some_rows(sheet):
        for one, kept in texts.items():
            cells = (row.fields[one] for row in rows)
            kept += [shared.setdefault(cell, cell) for cell in cells]
    return texts


def _some_rows(sheet: Sheet) -> Iterator[list[Record]]:
    rows = sheet.rows()
    while some := list(itertools.islice(rows, _ROWS_AT_ONCE)):
        yield some


def _floats(texts: Sequence[str], decimal: str) -> Numbers | None:
    joined = "".join(texts)
    # Python reads 1_000 and digits of other scripts; in a table they are slips.
    if "_" in joined or not joined.isascii():
        return None
    if decimal == ",":
        if "." in joined:
            return None
        texts = [text.replace(",", ".") for text in texts]
    try:
        values = np.fromiter(map(float, texts), float, len(texts))
    except ValueError:
        return None
    return values if _is_certain(values) else None


def _is_certain(values: Numbers) -> bool:
    # A comparison with NaN is false.
    return bool(np.all(np.abs(values) < _EXACT))


def _interpreted(texts: Sequence[str], decimal: str) -> Column:
    distinct = dict.fromkeys(texts)
    marks = tuple(text for text in distinct if is_missing(text))
    known = numbers(distinct, decimal)
    if len(known) + len(marks) == len(distinct):
        values = known | dict.fromkeys(marks, np.nan)
        return Column(np.array([values[text] for text in texts]), None, marks)
    stripped = {text: text.strip() for text in distinct if text not in marks}
    labels = tuple(dict.fromkeys(stripped.values()))
    numbered = {label: number for number, label in enumerate(labels)}
    codes = {text: numbered[label] for text, label in stripped.items()}
    codes |= dict.fromkeys(marks, -1)
    return Column(np.array([codes[text] for text in texts]), labels, marks)


def _quick_columns(
    sheet: Sheet, positions: Sequence[int]
) -> tuple[dict[int, Numbers], Lines]:
    """What a library makes of the columns whose first rows hold plain numbers."""
    n_rows = plain_rows(sheet)
    lines = sheet.start + np.arange(n_rows)
    first = (
        [row.fields for row in itertools.islice(sheet.rows(), 100)] if n_rows else []
    )
    columns = [*zip(*first, strict=True)]
    wanted = [
        one
        for one in positions
        if columns and _floats(columns[one], sheet.decimal) is not None
    ]
    if not wanted:
        return {}, lines
    try:
        read = reader()(sheet, wanted)
    except ValueError:
        return {}, lines
    certain = {
        one: values
        for one, values in read.items()
        if len(values) == n_rows and _is_certain(values)
    }
    return certain, lines
