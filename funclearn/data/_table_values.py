"""The cells of one column of a table as numbers, or why they are none."""

from typing import NoReturn

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from funclearn.data._table import Table
from funclearn.data._table_cells import advice, numbers, shown

__all__ = [
    "categories_of",
    "check_missing",
    "codes_of",
    "numbers_of",
    "one_hot",
    "place",
]

# More distinct texts than this, and than half of the rows, are names or remarks.
_FEW = 20

_CORRECT = "; correct it, or pass categories='one-hot' if the column holds categories"


def place(table: Table, row: int, at: int) -> str:
    """Where a cell stands."""
    return f"{table.source}, line {table.lines[row]}, column {table.names[at]!r}"


def numbers_of(table: Table, at: int) -> Float[np.ndarray, " n"]:
    """A column of numbers, NaN where a cell is missing.

    Raises:
        ValueError: if a cell is no number, or beyond the range of JAX's default
            floating-point type.
    """
    values, labels = np.asarray(table.values[at]), table.labels[at]
    if labels is not None:
        if np.all(values < 0):
            return np.full(len(values), np.nan)
        _refuse(table, at, _CORRECT)
    limits = jnp.finfo(jnp.result_type(float))
    # A comparison with NaN is false.
    beyond = np.abs(values) > float(limits.max)
    if beyond.any():
        row = int(np.argmax(beyond))
        raise ValueError(
            f"{place(table, row, at)}: {values[row]:g} is beyond the range of "
            f"{limits.dtype}; scale the column, or enable jax_enable_x64."
        )
    return values


def categories_of(table: Table, at: int) -> tuple[str, ...] | None:
    """The distinct texts of a column in sorted order; None for one of numbers.

    Raises:
        ValueError: if most cells are numbers, or the texts are dates, shares or sums of
            money, or there are too many of them.
    """
    labels = table.labels[at]
    if labels is None:
        return None
    counts = np.bincount(_codes(table, at) + 1, minlength=len(labels) + 1)[1:]
    present = {text: int(n) for text, n in zip(labels, counts, strict=True) if n}
    if not present:
        return None
    known = numbers(present, table.decimal)
    first = next((text for text in present if text not in known), "")
    n_cells = sum(present.values())
    mixed = 2 * sum(present[text] for text in known) > n_cells
    if mixed or ";" in advice(first, table.decimal):
        _refuse(table, at, "")
    if len(present) > max(_FEW, n_cells / 2):
        raise ValueError(
            f"{table.source}: column {table.names[at]!r} has {len(present)} different "
            f"texts in {n_cells} rows, as {shown(first)}: too many for categories; "
            "leave it out with inputs."
        )
    return tuple(sorted(present))


def codes_of(
    table: Table, at: int, categories: tuple[str, ...]
) -> Int[np.ndarray, " n"]:
    """The positions of a column's texts among categories.

    Returns:
        The positions: -1 for a text that is none of them, -2 for a missing cell.

    Raises:
        ValueError: if a cell is a number.
    """
    labels = table.labels[at]
    if labels is None:
        values = np.asarray(table.values[at])
        if not np.isnan(values).all():
            row = int(np.argmin(np.isnan(values)))
            raise ValueError(
                f"{place(table, row, at)}: {values[row]:g} is a number where the "
                "training rows have texts."
            )
        return np.full(len(values), -2)
    numbered = {text: number for number, text in enumerate(categories)}
    by_label = np.array([*(numbered.get(text, -1) for text in labels), -2])
    return by_label[_codes(table, at)]


def one_hot(
    table: Table, at: int, categories: tuple[str, ...]
) -> Float[np.ndarray, "n categories"]:
    """Zeros and ones; all zero for another text, and NaN where a cell is missing."""
    found = codes_of(table, at, categories)
    ones = found[:, None] == np.arange(len(categories))
    return np.where(found[:, None] == -2, np.nan, ones.astype(float))


def check_missing(table: Table, at: int) -> None:
    """Refuses missing cells.

    Raises:
        ValueError: if there is one.
    """
    values, labels = np.asarray(table.values[at]), table.labels[at]
    gaps = np.isnan(values) if labels is None else values < 0
    if not gaps.any():
        return
    marks = " or ".join(map(shown, table.marks[at][:3]))
    more = f", as in {gaps.sum() - 1} more rows" if gaps.sum() > 1 else ""
    raise ValueError(
        f"{place(table, int(np.argmax(gaps)), at)}: {marks} stands where a value is "
        f"missing{more}; pass missing='drop' to leave such rows out, or 'mean'."
    )


def _codes(table: Table, at: int) -> Int[np.ndarray, " n"]:
    return np.asarray(table.values[at])


def _refuse(table: Table, at: int, otherwise: str) -> NoReturn:
    """Names the first cell of a column that is no number."""
    texts = table[at]
    known = numbers([text for text in texts if text is not None], table.decimal)
    row, text = next(
        (row, text)
        for row, text in enumerate(texts)
        if text is not None and text not in known
    )
    told = advice(text, table.decimal)
    if row == 0 and isinstance(table.names[at], int):
        otherwise = "; pass header=True if it is a name"
    raise ValueError(
        f"{place(table, row, at)}: {shown(text)} {told}"
        f"{'' if ';' in told else otherwise}."
    )
