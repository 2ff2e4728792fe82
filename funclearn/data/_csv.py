"""Columns of numbers from files of comma-separated values."""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO, TypeAlias

import jax.numpy as jnp
import numpy as np

from funclearn._checks import integer_at_least
from funclearn.data._dataset import Dataset

__all__ = ["read_csv"]

Columns: TypeAlias = str | int | Sequence[str | int] | None
"""Columns by name or by position, counted from 0; None for all but the target."""


def read_csv(
    path: str | Path,
    *,
    target: str | int,
    inputs: Columns = None,
    header: bool = True,
) -> Dataset:
    """Reads columns of numbers from a file of comma-separated values.

    Fields may be quoted, and blank lines are skipped. Columns that are not asked for
    may hold anything.

    Args:
        path: the file, in UTF-8.
        target: the target column, by name or by position, counted from 0.
        inputs: the input columns likewise; a single one gives inputs `(n,)`, a
            sequence `(n, columns)`, and None, every column but the target,
            `(n, columns)` too.
        header: whether the first line holds the columns' names. Names may be numbers
            if the target is asked for by its name.

    Returns:
        Inputs and targets `(n,)`, in JAX's default floating-point type.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if a column is missing, named twice or asked for twice, a line has
            another number of fields than the first, there are no rows, a cell is no
            finite number, or the first line looks like data; the message names line,
            column and text.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "speeds.csv")
        >>> with path.open("w") as file:
        ...     for line in ("time (s),speed (m/s)", "0.0,1.5", "0.5,2.5"):
        ...         print(line, file=file)
        >>> data = fl.data.read_csv(path, target="speed (m/s)")
        >>> print(data.inputs.shape, data.targets)
        (2, 1) [1.5 2.5]
    """
    table = _read(path, header)
    _check_header(table, target)
    at_target = _position(table, "target", target)
    positions = _input_positions(table, inputs, target, at_target)
    columns = {
        position: _numbers(table, position) for position in [at_target, *positions]
    }
    rows = np.stack([columns[position] for position in positions], axis=1)
    if isinstance(inputs, str | int):
        rows = rows[:, 0]
    return Dataset(jnp.asarray(rows), jnp.asarray(columns[at_target]))


class _Table(NamedTuple):
    """The text of a file.

    Attributes:
        path: the file.
        names: of the columns; None without a header.
        lines: every line that is not blank but the header, as its number and fields.
        width: the number of columns.
    """

    path: str | Path
    names: tuple[str, ...] | None
    lines: list[tuple[int, list[str]]]
    width: int


def _read(path: str | Path, header: bool) -> _Table:
    # Programs for tables begin a file in UTF-8 with a byte-order mark.
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = list(_numbered_lines(path, file))
    if not lines:
        raise ValueError(f"{path} is empty; it needs at least one line of numbers.")
    width = len(lines[0][1])
    names = tuple(name.strip() for name in lines.pop(0)[1]) if header else None
    if not lines:
        raise ValueError(f"{path} holds a header but no rows.")
    return _Table(path, names, lines, width)


def _check_header(table: _Table, target: str | int) -> None:
    names = table.names
    if names and isinstance(target, int) and all(map(_is_number, names)):
        raise ValueError(
            f"{table.path}, line 1 should hold names but holds numbers alone, "
            f"{','.join(names)}; pass header=False if it is data."
        )


def _input_positions(
    table: _Table, inputs: Columns, target: str | int, at_target: int
) -> list[int]:
    if inputs is None:
        positions = [column for column in range(table.width) if column != at_target]
        if not positions:
            raise ValueError(f"{table.path} has one column; inputs need another.")
        return positions
    wanted = [inputs] if isinstance(inputs, str | int) else list(inputs)
    positions = [_position(table, "inputs", one) for one in wanted]
    if not positions:
        raise ValueError("inputs must name at least one column; got none.")
    if len({at_target, *positions}) <= len(positions):
        raise ValueError(
            "inputs must name columns once each, and not the target; got "
            f"{inputs!r} with target {target!r}."
        )
    return positions


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _numbered_lines(path: str | Path, file: TextIO) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, strict=True)
    line = 1
    try:
        for fields in reader:
            if len(fields) > 1 or "".join(fields).strip():
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {line}: {error}.") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: {error}.") from None


def _position(table: _Table, argument: str, column: str | int) -> int:
    path, names, _, width = table
    if isinstance(column, str):
        if names is None:
            raise ValueError(
                f"{argument} must be a position where header=False; got {column!r}."
            )
        if names.count(column) != 1:
            raise ValueError(
                f"{argument} must name one column of {path}; {column!r} names "
                f"{names.count(column)} of {', '.join(map(repr, names))}."
            )
        return names.index(column)
    position = integer_at_least(argument, column, 0)
    if position >= width:
        raise ValueError(
            f"{argument} must be less than the number of columns of {path}, {width}; "
            f"got {position}."
        )
    return position


def _numbers(table: _Table, position: int) -> np.ndarray:
    path, names, lines, width = table
    dtype = jnp.result_type(float)
    column = repr(names[position]) if names else str(position)
    numbers = np.empty(len(lines), dtype)
    for row, (line, fields) in enumerate(lines):
        if len(fields) != width:
            raise ValueError(
                f"{path}, line {line}: {len(fields)} fields where the first line has "
                f"{width}."
            )
        place = f"{path}, line {line}, column {column}"
        numbers[row] = _finite_number(place, fields[position], dtype)
    return numbers


def _finite_number(place: str, text: str, dtype: np.dtype) -> float:
    try:
        # Python reads 1_000 as a number; in a table it is a slip.
        number = float(text) if "_" not in text else np.nan
    except ValueError:
        number = np.nan
    # Not finite in the dtype of the column; a comparison with NaN is false.
    if not abs(number) <= float(jnp.finfo(dtype).max):
        raise ValueError(f"{place}: {text!r} is no finite number.")
    return number
