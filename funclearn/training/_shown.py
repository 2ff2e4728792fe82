"""How a run is shown: as text, by rich, and in a notebook."""

import dataclasses
import html
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.text import Text

from funclearn import _curves, _tables

__all__ = ["Shown"]

# A shorter curve says nothing, and a longer one no more.
_SHORTEST, _LONGEST = 12, 40
# What a table of rich needs for one more column.
_GAP = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """A run in words and numbers.

    Attributes:
        title: what it is.
        columns: by head, the cells of a table; the first ones are names.
        lines: by such a name the curve, `(epochs,)`, that rich draws in its row.
        pictures: by name the curves that a notebook draws.
        notes: what else is there, and why it is not in the table.
    """

    title: str
    columns: Mapping[str, np.ndarray]
    lines: Mapping[str, np.ndarray]
    pictures: Mapping[str, Sequence[np.ndarray]]
    notes: str

    def __str__(self) -> str:
        """All but the curves."""
        table = _tables.plain(self.columns) if len(self.columns[""]) else ""
        return "\n".join(part for part in (self.title, table, self.notes) if part)

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """The same, and the curves where there is room for them."""
        yield Text(self.title, style="bold")
        if len(self.columns[""]):
            used = Measurement.get(console, options, self._table(0)).maximum
            room = min(options.max_width - used - _GAP, _LONGEST)
            drawn = any(line.size for line in self.lines.values())
            fits = drawn and room >= _SHORTEST and not options.ascii_only
            yield self._table(room) if fits else _tables.rich(self.columns)
        if self.notes:
            yield Text(self.notes)

    def html(self) -> str:
        """The same, and the curves as a picture."""
        parts = [f"<p><strong>{html.escape(self.title)}</strong></p>"]
        if any(len(one) > 1 for lanes in self.pictures.values() for one in lanes):
            parts.append(_curves.svg(self.pictures))
        if len(self.columns[""]):
            parts.append(_tables.html(self.columns))
        if self.notes:
            parts.append(f"<p>{html.escape(self.notes)}</p>")
        return f"<div>{''.join(parts)}</div>"

    def _table(self, room: int) -> RenderableType:
        """The table, with so many characters of every curve at its end."""
        columns = [
            _tables.Column(
                name, [Text(_tables.text(cell)) for cell in cells], right=name != ""
            )
            for name, cells in self.columns.items()
        ]
        if room:
            bars = [
                Text(_curves.sparkline(self.lines[name], room), style="cyan")
                for name in self.columns[""]
            ]
            columns.append(_tables.Column("curve (log)", bars, right=False))
        return _tables.draw(columns)
