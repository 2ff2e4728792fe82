"""How far something has come, in lines of plain text."""

import time
from collections.abc import Callable
from types import TracebackType

from funclearn._display._seen import Shown
from funclearn._display._stream import Stream

__all__ = ["Drawn", "Lines", "Silent"]

# The log of a machine stays readable after a day.
_LINE_SECONDS = 10.0

# As often as one can read.
_SECONDS = 0.25


class Silent:
    """Shows nothing."""

    def show(self, seen: Shown) -> None:
        """Does nothing."""

    def note(self, text: str) -> None:
        """Does nothing."""

    def close(self, text: str | None = None) -> None:
        """Does nothing."""

    def __enter__(self) -> "Silent":
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        self.close()


class Drawn(Silent):
    """Draws what is seen, but not more often than every so many seconds.

    What is over before the first time draws its end only.
    """

    def __init__(
        self,
        stream: Stream,
        seconds: float = _SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._seconds = seconds
        self._clock = clock
        self._due = clock() + seconds
        self._seen: Shown | None = None
        self._closed = False
        self._drawn: Shown | None = None

    def show(self, seen: Shown) -> None:
        """Draws it if it is time to."""
        self._seen = seen
        now = self._clock()
        if now >= self._due and not self._stream.broken and not self._closed:
            self._due = now + self._seconds
            self._draw(seen)
            self._drawn = seen

    def note(self, text: str) -> None:
        """Writes a line."""
        self._write(f"{text}\n")

    def close(self, text: str | None = None) -> None:
        """Draws what was seen last, and writes a last line if there is one."""
        if self._closed:
            return
        self._closed = True
        try:
            self._end()
        finally:
            if text is not None:
                self._write(f"{text}\n")

    def _draw(self, seen: Shown) -> None:
        self._write(f"{seen}\n")

    def _end(self) -> None:
        if self._seen is not None and self._seen is not self._drawn:
            self._draw(self._seen)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Lines(Drawn):
    """A line every ten seconds, for files and logs."""

    def __init__(
        self, stream: Stream, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(stream, _LINE_SECONDS, clock)
