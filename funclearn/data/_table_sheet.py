"""A table whose cells are still text: where its rows begin, and their names."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from funclearn.data._table_cells import is_missing, numbers, shown
from funclearn.data._table_layout import NAMES, Layout, Record, find_layout, records
from funclearn.data._table_names import Header
from funclearn.data._table_source import Source

__all__ = ["Sheet", "open_sheet"]

# Whether a first line is data shows within some lines.
_SAMPLE = 100


class Sheet(NamedTuple):
    """A table whose layout is known and whose cells are text.

    Attributes:
        source: what the file holds.
        layout: how it is laid out.
        decimal: the decimal mark.
        header: the columns.
        start: the line that the first row is on.
    """

    source: Source
    layout: Layout
    decimal: str
    header: Header
    start: int

    def rows(self) -> Iterator[Record]:
        """The rows.

        Raises:
            ValueError: where a row has more or fewer fields than there are columns.
        """
        width = len(self.header.names)
        for row in records(self.source, self.layout):
            if row.line < self.start:
                continue
            if len(row.fields) != width:
                raise ValueError(self._ragged(row))
            yield row

    def _ragged(self, row: Record) -> str:
        told = (
            f"{self.source.name}, line {row.line}: {len(row.fields)} fields where the "
            f"first line has {len(self.header.names)}"
        )
        parted = NAMES.get(self.layout.delimiter, repr(self.layout.delimiter))
        return f"{told}, parted by {parted}; delete it if it is no row of the table."


def open_sheet(
    source: Source, *, header: bool, delimiter: str | None, decimal: str
) -> Sheet:
    """Finds the layout and the names of a table's columns.

    Raises:
        ValueError: if there are no rows, or names and rows differ in number.
    """
    layout = find_layout(source, delimiter, decimal)
    rows = records(source, layout)
    sample = list(itertools.islice(rows, _SAMPLE))
    if not header:
        # A comment above that has as many fields as a row holds their names.
        while len(sample) > 1 and sample[0].fields[0].startswith(("#", "%")):
            del sample[0]
    if not sample:
        raise ValueError(f"{source.name} holds comments but no rows.")
    first, *others = sample
    _check_width(source, layout, sample)
    if not header:
        names = Header(source.name, tuple(range(len(first.fields))), first.line)
        return Sheet(source, layout, decimal, names, first.line)
    if commented := _names_in_comment(source, layout, first, decimal):
        return Sheet(source, layout, decimal, commented, first.line)
    if not others:
        raise ValueError(f"{source.name} holds a header but no rows.")
    _check_names(source, first, others, decimal)
    names = Header(source.name, _cleaned(first.fields), first.line)
    return Sheet(source, layout, decimal, names, others[0].line)


def _cleaned(names: Sequence[str]) -> tuple[str, ...]:
    # Programs that write a header as a comment leave its sign with the first name.
    first, *others = (name.strip() for name in names)
    return (first.lstrip("#%").strip() or first, *others)


def _names_in_comment(
    source: Source, layout: Layout, first: Record, decimal: str
) -> Header | None:
    """The names, if blanks part them in a comment right above rows of numbers."""
    known = numbers(first.fields, decimal)
    if layout.delimiter != " " or not all(
        field in known or is_missing(field) for field in first.fields
    ):
        return None
    above = enumerate(itertools.islice(source.lines(), first.line - 1), 1)
    for at, comment in reversed([*above]):
        names = tuple(comment.strip().lstrip("#%").split())
        if len(names) == len(first.fields):
            return Header(source.name, names, at)
    return None


def _check_width(source: Source, layout: Layout, sample: Sequence[Record]) -> None:
    """Refuses lines above the table, and names for fewer columns than there are."""
    usual, name = layout.width, source.name
    names, *rows = sample
    ragged = [at for at, row in enumerate(sample) if len(row.fields) != usual]
    if not ragged or not rows:
        return
    begin = ragged[-1] + 1
    # A single field in front of rows of two is a title rather than a name.
    if ragged == [0] and 1 < len(names.fields) == usual - 1:
        ends = {row.fields[-1].strip() for row in rows}
        raise ValueError(
            f"{name}, line {names.line}: {usual - 1} names for rows of {usual} fields; "
            + (
                "delete the delimiter that ends every row."
                if ends == {""}
                else "write a name for the column that has none (R: col.names=NA)."
            )
        )
    if begin < len(sample) and 2 * len(ragged) > begin:
        raise ValueError(
            f"{name}, line {sample[ragged[0]].line}: {len(sample[ragged[0]].fields)} "
            f"fields where most lines have {usual}; the table seems to begin at line "
            f"{sample[begin].line}: delete the lines above it."
        )


def _check_names(
    source: Source, names: Record, sample: Sequence[Record], decimal: str
) -> None:
    """Refuses a first line whose every field is what stands in the column below."""
    columns = zip(*(row.fields for row in sample), strict=False)
    known = numbers(names.fields, decimal)
    # Numbers alone may be years, and names: who asks for a column will tell.
    if len(known) in (0, len(names.fields)):
        return
    for name, column in zip(names.fields, columns, strict=False):
        if not (numbers(column, decimal) if name in known else name in column):
            return
    raise ValueError(
        f"{source.name}, line {names.line} should hold names but looks like a row, "
        f"{shown(','.join(names.fields))}; pass header=False if it is one, and "
        "positions for columns."
    )
