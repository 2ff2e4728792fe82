"""Which display there is: on a terminal, in a notebook, in a file."""

import os
import sys
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from funclearn._display._cell import Cell, kernel_shell
from funclearn._display._display import Display
from funclearn._display._lines import Lines, Silent
from funclearn._display._seen import Shown
from funclearn._display._stream import File, Stream
from funclearn._words import described

__all__ = ["Progress", "progress"]


@runtime_checkable
class Progress(Protocol):
    """What a run or a sweep is shown on; a context manager that closes itself."""

    def show(self, seen: Shown) -> None:
        """Shows how far it is.

        It must be fast: a run calls it after every chunk, with what has the attributes
        of `running.Seen`, and a sweep about ten times a second, with those of
        `sweeps.SeenLanes`.
        """
        ...

    def note(self, text: str) -> None:
        """Says something once, on a line of its own."""
        ...

    def close(self, text: str | None = None) -> None:
        """Ends it, with a last line if there is one. It may be called again."""
        ...

    def __enter__(self) -> "Progress":
        """Returns itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        ...


def progress(wanted: object, *, stream: File | None = None) -> Progress:
    """What a run is shown on.

    Args:
        wanted: True shows two lines on a terminal, drawn over about four times a
            second; in a notebook one line that is drawn over; elsewhere a line every
            ten seconds. None does so on terminals and in notebooks alone. False shows
            nothing. An object of one's own with the methods `show(seen)`, `note(text)`
            and `close(text)` is used as it is.
        stream: where to write; if it is None the stream of errors, or the output of the
            notebook's cell.

    Returns:
        A context manager, whose failures to write are no failures of the run.

    Raises:
        TypeError: if `wanted` is none of these.
    """
    if wanted is False:
        return Silent()
    if wanted is not True and wanted is not None:
        return _own(wanted)
    shell = kernel_shell() if stream is None else None
    if shell is not None:
        return Cell(shell)
    target = Stream(sys.stderr if stream is None else stream)
    if target.broken:
        return Silent()
    if target.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown"):
        return Display(target)
    return Silent() if wanted is None else Lines(target)


class _Own(Silent):
    """An object of the user's without the methods of a context manager."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def show(self, seen: Shown) -> None:
        self._own.show(seen)

    def note(self, text: str) -> None:
        self._own.note(text)

    def close(self, text: str | None = None) -> None:
        self._own.close(text)


def _own(own: object) -> Progress:
    if isinstance(own, Progress):
        return own
    methods = [getattr(own, name, None) for name in ("show", "note", "close")]
    if isinstance(own, type) or not all(map(callable, methods)):
        raise TypeError(
            "progress must be True, False, None, or an object with the methods show, "
            f"note and close; got {described(own)}."
        )
    return _Own(own)
