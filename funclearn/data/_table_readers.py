"""Libraries that read all numbers of a table at once."""

import csv
import functools
import importlib.util
import io
import itertools
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from funclearn.data._table_sheet import Sheet

__all__ = ["Numbers", "Reader", "by_numpy", "by_pandas", "plain_rows", "reader"]

Numbers: TypeAlias = Float[np.ndarray, " n"]

Reader: TypeAlias = Callable[[Sheet, Sequence[int]], dict[int, Numbers]]
"""Reads the columns at some positions; leaves out those that hold other than numbers.

It raises a ValueError where it does not understand the table.
"""


def plain_rows(sheet: Sheet) -> int:
    """The number of rows, if a line is a row and delimiters alone part its fields.

    0 if not, or if all fields together are more or fewer than the columns times the
    rows. Else a line with too many fields goes with another one that has too few, and
    so has no last field: this is left to the readers to look for.
    """
    source, layout, *_ = sheet
    delimiter = layout.delimiter.encode()
    wide = source.encoding.startswith(("utf-16", "utf-32"))
    if wide or layout.delimiter == " " or len(delimiter) > 1 or b'"' in source.data:
        return 0
    if b"\r" in source.data and source.data.count(b"\r") > source.data.count(b"\r\n"):
        return 0
    start = sum(map(len, itertools.islice(io.BytesIO(source.data), sheet.start - 1)))
    end = len(source.data)
    while end > start and source.data[end - 1] in b"\r\n":
        end -= 1
    rows = _count(source.data, b"\n", start, end) + 1
    fields = _count(source.data, delimiter, start, end) + rows
    return rows if fields == rows * len(sheet.header.names) else 0


def _count(data: bytes, byte: bytes, start: int, end: int) -> int:
    """How often a byte stands in a part of the data."""
    part = np.frombuffer(data, np.uint8, end - start, start)
    # By parts that fit into a processor's cache; `bytes.count` stops at every hit.
    return sum(
        int(np.count_nonzero(part[at : at + 2**18] == byte[0]))
        for at in range(0, len(part), 2**18)
    )


@functools.cache
def reader() -> Reader:
    """The reader that takes the least time of those installed."""
    if importlib.util.find_spec("pandas") is None:
        return by_numpy
    # Before 3.1 pandas rounded some numbers, or took longer than NumPy does.
    version = metadata.version("pandas").split(".")
    return by_pandas if [*map(int, version[:2])] >= [3, 1] else by_numpy


def by_pandas(sheet: Sheet, positions: Sequence[int]) -> dict[int, Numbers]:
    """Reads with pandas."""
    pandas = importlib.import_module("pandas")
    source, names = sheet.source, sheet.header.names
    others = set(range(len(names))) - set(positions)
    with warnings.catch_warnings():
        # Of columns of several dtypes, which the second look reads anyway.
        warnings.simplefilter("ignore")
        # From a path pandas reads with several threads, and where it infers the dtypes
        # of numbers it takes less time than where it is told.
        frame = pandas.read_csv(
            source.path or io.BytesIO(source.data),
            sep=sheet.layout.delimiter,
            decimal=sheet.decimal,
            header=None,
            skiprows=sheet.start - 1,
            dtype=dict.fromkeys(others, str),
            quoting=csv.QUOTE_NONE,
            encoding="utf-8" if source.encoding == "ascii" else source.encoding,
            compression=None,
        )
    # A line with too few fields has no last one.
    if frame.shape[1] != len(names) or frame[len(names) - 1].isna().any():
        return {}
    return {
        one: frame[one].to_numpy(float)
        for one in positions
        if frame.dtypes[one].kind in "iuf"
    }


def by_numpy(sheet: Sheet, positions: Sequence[int]) -> dict[int, Numbers]:
    """Reads with NumPy, which knows no decimal commas and no text."""
    source = sheet.source
    if sheet.decimal != ".":
        raise ValueError("NumPy reads decimal points alone.")
    # Given the columns to use, it would not count the fields of every line.
    values = np.loadtxt(
        io.BytesIO(source.data),
        delimiter=sheet.layout.delimiter,
        comments=None,
        skiprows=sheet.start - 1,
        ndmin=2,
        encoding=source.encoding,
    )
    if values.shape[1] != len(sheet.header.names):
        return {}
    return {one: values[:, one] for one in positions}
