"""The two lines of a terminal, as rich draws them."""

import sys
from collections.abc import Iterator
from typing import TextIO, cast

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.text import Text

from funclearn._display._seen import Shown
from funclearn._display._stream import Stream

__all__ = ["Region", "layout"]

_STYLES = {
    "bar": "green",
    "rest": "bright_black",
    "loss": "cyan",
    "best": "cyan",
    "validation": "magenta",
    "closest": "yellow",
    "saving": "bright_black",
}

# A shorter bar says nothing, and a longer one no more.
_SHORTEST, _LONGEST = 8, 40

_GAP = "  "

Pieces = list[tuple[str, str]]


class Region:
    """What was seen last, as wide as the terminal is now."""

    def __init__(self, stream: Stream) -> None:
        self._seen: Shown | None = None
        self._stream = stream
        self._console = Console(
            file=cast("TextIO", stream), force_terminal=True, force_jupyter=False
        )
        # What is printed meanwhile goes above the lines, unless it goes to a file.
        self._live = Live(
            self,
            console=self._console,
            auto_refresh=False,
            redirect_stdout=stream.is_error() and Stream(sys.stdout).isatty(),
            redirect_stderr=stream.is_error(),
        )

    def draw(self, seen: Shown) -> None:
        """Draws over what was drawn before."""
        self._seen = seen
        columns = self._stream.columns()
        if columns is not None:
            self._console.width = columns
        self._live.start()
        self._live.refresh()

    def note(self, text: str) -> None:
        """Writes a line above."""
        self._console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        """Leaves the lines as they are, and gives the cursor back."""
        self._live.stop()

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[Text]:
        """The lines that fit."""
        if self._seen is None:
            return
        # Some terminals begin a new line after the last column.
        width = options.max_width - 1
        for pieces in layout(self._seen, width, options.ascii_only):
            made = [(text, _STYLES.get(kind, "")) for kind, text in pieces]
            line = Text.assemble(*made, no_wrap=True)
            line.truncate(width, overflow="crop")
            yield line


def layout(seen: Shown, width: int, ascii_only: bool) -> list[Pieces]:
    """What stands on the lines: of what has no room, the least important is left out.

    Args:
        seen: what is known.
        width: the number of columns.
        ascii_only: whether the terminal has no lines to draw a bar of.

    Returns:
        By line its texts, each after its kind.
    """
    texts = seen.parts()
    kinds = [kind for kind in ("done", "left", "rate") if kind in texts]
    first = [(kind, texts.pop(kind)) for kind in kinds]
    head = _fitting(first, width)
    room = min(width - _width(head) - len(_GAP), _LONGEST)
    if room >= _SHORTEST:
        full, rest = "#-" if ascii_only else "\N{BOX DRAWINGS HEAVY HORIZONTAL}" * 2
        done = int(room * seen.share)
        head = [("bar", full * done), ("rest", rest * (room - done)), ("", _GAP), *head]
    return [one for one in (head, _fitting(list(texts.items()), width)) if one]


def _fitting(pieces: Pieces, width: int) -> Pieces:
    """Those that fit on a line, the first ones first; one is there in any case."""
    chosen: Pieces = []
    for piece in pieces:
        longer = [*chosen, ("", _GAP), piece] if chosen else [piece]
        if not chosen or _width(longer) <= width:
            chosen = longer
    return chosen


def _width(pieces: Pieces) -> int:
    return sum(len(text) for _, text in pieces)
