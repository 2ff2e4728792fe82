"""Tables: named columns as plain text, and for rich."""

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["plain", "rich"]

_MOST_ROWS = 20


def plain(columns: Mapping[str, np.ndarray]) -> str:
    """The columns as aligned text; of many rows the first and the last ones."""
    texts = [[name, *_shorten(column)] for name, column in columns.items()]
    widths = [max(map(len, column)) for column in texts]
    rows = (
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
        for row in zip(*texts, strict=True)
    )
    return "\n".join(rows)


def rich(columns: Mapping[str, np.ndarray]) -> Any:
    """The same as a `rich.table.Table`."""
    from rich import box, table

    drawn = table.Table(box=box.SIMPLE_HEAD)
    for name in columns:
        drawn.add_column(name, justify="right")
    for row in zip(*map(_shorten, columns.values()), strict=True):
        drawn.add_row(*row)
    return drawn


def _shorten(column: np.ndarray) -> list[str]:
    if len(column) <= _MOST_ROWS:
        return [_text(cell) for cell in column]
    half = _MOST_ROWS // 2
    return [*map(_text, column[:half]), "…", *map(_text, column[-half:])]


def _text(cell: Any) -> str:
    number = isinstance(cell, float | np.floating)
    return f"{cell:.6g}" if number else str(cell)
