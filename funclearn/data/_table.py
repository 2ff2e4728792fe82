"""Tables of named columns, of numbers and of text."""

import dataclasses
from collections.abc import Sequence
from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import Array, Shaped

from funclearn.data._table_columns import read_columns
from funclearn.data._table_names import Column, Header
from funclearn.data._table_sheet import Sheet, open_sheet
from funclearn.data._table_source import File, open_source

__all__ = ["Table", "check_layout", "of_sheet", "read_table"]

Rows: TypeAlias = Shaped[np.ndarray | Array, " n"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of a file: columns of numbers and of text, with their missing cells.

    `table["name"]` is a column as an array; the fields hold it as a pytree of numbers
    with one leading length, so that `split` takes tables too.

    Attributes:
        values: `(n,)` each: float64, NaN where a cell is missing; or, where a column
            holds anything but numbers, positions among its labels, -1 where one is.
        lines: `(n,)`, the line of the file that every row begins on.
        names: of the columns; without a header, their positions.
        labels: the distinct texts of every column; None for one of numbers.
        marks: the texts that stood for missing cells, column by column.
        source: what the file is called in messages.
        delimiter: what parted the fields; " " are blanks and tabs in a row.
        decimal: the decimal mark.
    """

    values: tuple[Rows, ...]
    lines: Rows
    names: tuple[Column, ...] = dataclasses.field(metadata={"static": True})
    labels: tuple[tuple[str, ...] | None, ...] = dataclasses.field(
        metadata={"static": True}
    )
    marks: tuple[tuple[str, ...], ...] = dataclasses.field(metadata={"static": True})
    source: str = dataclasses.field(metadata={"static": True})
    delimiter: str = dataclasses.field(metadata={"static": True})
    decimal: str = dataclasses.field(metadata={"static": True})

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.lines)

    def __getitem__(self, column: Column) -> Shaped[np.ndarray, " n"]:
        """A column, by name or by position: numbers, or texts and None as objects."""
        at = Header(self.source, self.names).position("column", column)
        values, labels = np.asarray(self.values[at]), self.labels[at]
        return values if labels is None else np.array([*labels, None], object)[values]


def read_table(
    path: File,
    *,
    header: bool = True,
    delimiter: str | None = None,
    decimal: str = ".",
) -> Table:
    r"""Reads all columns of a table, numbers and text.

    Use it where rows are split before their gaps are filled or their categories
    become numbers: `encode` then learns both from the training rows alone.

    Args:
        path: the file, as in `read_csv`.
        header: whether the first line holds the columns' names.
        delimiter: what parts the fields; None finds it.
        decimal: the decimal mark, "." or ",".

    Returns:
        The table; its `delimiter` says what was found.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no table of text, or a line has another number of fields
            than the first.

    Example:
        >>> import io
        >>> text = "size;kind\n1;cat\n2;dog\n3;cat\n4;dog\n5;cat"
        >>> table = fl.data.read_table(io.StringIO(text))
        >>> print(len(table), table["size"], table["kind"][:2], table.delimiter)
        5 [1. 2. 3. 4. 5.] ['cat' 'dog'] ;
        >>> train, rest = fl.data.split(jax.random.key(0), table)
        >>> data, encoder = fl.data.encode(train, target="size", categories="one-hot")
        >>> print(encoder.input_names, encoder(rest).inputs.shape)
        ('kind=cat', 'kind=dog') (1, 2)
    """
    check_layout(header, delimiter, decimal)
    sheet = open_sheet(
        open_source(path), header=header, delimiter=delimiter, decimal=decimal
    )
    return of_sheet(sheet, range(len(sheet.header.names)))


def of_sheet(sheet: Sheet, positions: Sequence[int]) -> Table:
    """Some columns of a sheet, in the order of their positions."""
    columns, lines = read_columns(sheet, positions)
    return Table(
        values=tuple(column.values for column in columns),
        lines=lines,
        names=tuple(sheet.header.names[at] for at in positions),
        labels=tuple(column.labels for column in columns),
        marks=tuple(column.marks for column in columns),
        source=sheet.source.name,
        delimiter=sheet.layout.delimiter,
        decimal=sheet.decimal,
    )


def check_layout(header: object, delimiter: object, decimal: object) -> None:
    """Refuses what no table is laid out by.

    Raises:
        TypeError: if `header` is no truth value.
        ValueError: if the delimiter is not one character, or also the decimal mark, or
            the decimal mark is neither a point nor a comma.
    """
    if not isinstance(header, bool):
        raise TypeError(f"header must be True or False; got {header!r}.")
    if decimal not in (".", ","):
        raise ValueError(f"decimal must be '.' or ','; got {decimal!r}.")
    if delimiter is None:
        return
    held = {decimal, *'\r\n"0123456789+-'}
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in held:
        raise ValueError(
            "delimiter must be one character that no number holds, as ';', or None to "
            f"find it; got {delimiter!r}."
        )
