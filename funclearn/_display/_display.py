"""How far something has come, on a terminal: two lines that are drawn over by rich."""

import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from funclearn._display._lines import Drawn
from funclearn._display._seen import Shown
from funclearn._display._stream import Stream

if TYPE_CHECKING:
    from funclearn._display._region import Region

__all__ = ["Display"]


class Display(Drawn):
    """Two lines on a terminal, drawn about four times a second.

    rich is imported when they are first drawn: what is over by then draws a plain
    line. There is no thread: nothing is drawn but by `show`.
    """

    def __init__(
        self, stream: Stream, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(stream, clock=clock)
        self._region: Region | None = None

    def note(self, text: str) -> None:
        """Writes a line above."""
        if self._region is None or self._closed:
            super().note(text)
        else:
            self._region.note(text)

    def _draw(self, seen: Shown) -> None:
        if self._region is None:
            if self._closed:
                super()._draw(seen)
                return
            from funclearn._display._region import Region

            self._region = Region(self._stream)
            # Whoever forgets to close it gets the cursor back all the same.
            weakref.finalize(self, self._region.close)
        self._region.draw(seen)

    def _end(self) -> None:
        try:
            super()._end()
        finally:
            if self._region is not None:
                self._region.close()
