"""Tables: how those of the library are drawn, as plain text, by rich and as HTML."""

import html as markup
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Column",
    "draw",
    "html",
    "html_of",
    "plain",
    "rich",
    "text",
    "without_colour",
]

# With the head and the ellipsis they fit on a terminal of 24 lines.
_MOST_ROWS = 20

# Files and logs have no width of their own, and that of the terminal must not matter.
_WIDTH = 100


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: its head.
        cells: a `str`, which rich may read marks in, or a `rich.text.Text` a row.
        right: whether to align them on the right, as numbers are.
    """

    name: str
    cells: Sequence[object]
    right: bool = True


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
    """The same for rich; columns that have no room follow below."""
    from rich.markup import escape  # names and cells are no marks

    return _Blocks(
        [
            Column(escape(name), [*map(escape, _shorten(column))])
            for name, column in columns.items()
        ]
    )


class _Blocks(NamedTuple):
    """Columns in as many tables as they need, each of which begins with the first."""

    columns: Sequence[Column]

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.measure import Measurement

        # Else no table is wider than there is room for.
        anywhere = options.update(max_width=10**6)

        def fits(columns: Sequence[Column]) -> bool:
            wanted = Measurement.get(console, anywhere, draw(columns, pad_edge=True))
            return len(columns) <= 2 or wanted.maximum <= options.max_width

        blocks = [[*self.columns]]
        if not fits(self.columns):
            first, *others = [
                one._replace(name=one.name.replace(".", ".\n")) for one in self.columns
            ]
            blocks = [[first]]
            for column in others:
                if not fits([*blocks[-1], column]):
                    blocks.append([first])
                blocks[-1].append(column)
        for block in blocks:
            yield draw(block, pad_edge=True)


def html(columns: Mapping[str, np.ndarray], caption: str = "") -> str:
    """The same as a table of HTML, for notebooks."""
    texts = [[name, *_shorten(column)] for name, column in columns.items()]
    return _html(texts, caption)


def html_of(columns: Sequence[Column]) -> str:
    """Columns, as `draw` takes them, as a table of HTML with all their rows."""
    return _html([[column.name, *map(str, column.cells)] for column in columns])


def _html(texts: Sequence[Sequence[str]], caption: str = "") -> str:
    head, *rows = [list(map(markup.escape, row)) for row in zip(*texts, strict=True)]

    def line(tag: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    title = f"<caption>{markup.escape(caption)}</caption>" if caption else ""
    return (
        f"<table>{title}<thead>{line('th', head)}</thead><tbody>{body}</tbody></table>"
    )


def draw(
    columns: Sequence[Column],
    styles: Sequence[str] | None = None,
    *,
    ruled: bool = True,
    pad_edge: bool = False,
) -> Any:
    """Draws columns as a `rich.table.Table`.

    Args:
        columns: of one length.
        styles: one a row.
        ruled: whether there is a line below the head.
        pad_edge: whether to pad the first and the last column on the outside, too.
    """
    # It takes 30 ms to import, which whoever prints no table need not pay.
    from rich import box, table

    drawn = table.Table(box=box.SIMPLE_HEAD if ruled else None, pad_edge=pad_edge)
    for column in columns:
        drawn.add_column(column.name, justify="right" if column.right else "left")
    rows = list(zip(*(column.cells for column in columns), strict=True))
    for row, style in zip(rows, styles or [None] * len(rows), strict=True):
        drawn.add_row(*row, style=style)
    return drawn


def without_colour(drawn: object) -> str:
    """What rich draws as text for files and logs."""
    from rich.console import Console

    text = io.StringIO()
    console = Console(
        file=text,
        width=_WIDTH,
        force_terminal=False,
        # In a notebook rich would show the text instead of writing it.
        force_jupyter=False,
        markup=False,
        highlight=False,
    )
    console.print(drawn)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _shorten(column: np.ndarray) -> list[str]:
    if len(column) <= _MOST_ROWS:
        return [text(cell) for cell in column]
    half = _MOST_ROWS // 2
    return [*map(text, column[:half]), "…", *map(text, column[-half:])]


def text(cell: object) -> str:
    """A cell: numbers with six digits."""
    number = isinstance(cell, float | np.floating)
    return f"{cell:.6g}" if number else str(cell)
