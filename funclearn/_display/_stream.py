"""Writing to a terminal that may go away while a run goes on."""

import os
import sys
from typing import Protocol, runtime_checkable

__all__ = ["File", "Stream"]


@runtime_checkable
class File(Protocol):
    """What text can be written to."""

    def write(self, text: str, /) -> object:
        """Writes text."""
        ...

    def flush(self) -> object:
        """Hands on what was written."""
        ...


class Stream:
    """A text stream whose failures end what is shown, never the run.

    Attributes:
        broken: whether it failed; nothing is written to it any more.
    """

    def __init__(self, file: File | None) -> None:
        self._file = file
        self.broken = file is None or getattr(file, "closed", False)

    @property
    def encoding(self) -> str:
        """The name of its encoding."""
        return getattr(self._file, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        try:
            return bool(getattr(self._file, "isatty", bool)())
        except ValueError:  # it was closed
            return False

    def is_error(self) -> bool:
        """Whether it is where errors are written."""
        return self._file is sys.stderr

    def fileno(self) -> int:
        """The number of its file, -1 if it has none."""
        try:
            return getattr(self._file, "fileno", lambda: -1)()
        except (OSError, ValueError):
            return -1

    def write(self, text: str) -> int:
        """Writes text, with question marks for what its encoding lacks."""
        known = text.encode(self.encoding, "replace").decode(self.encoding)
        self._try("write", known)
        return len(text)

    def flush(self) -> None:
        """Hands on what was written."""
        self._try("flush")

    def columns(self) -> int | None:
        """How wide the terminal is now; None if it is none."""
        try:
            return os.get_terminal_size(self.fileno()).columns or None
        except OSError:
            return None

    def _try(self, method: str, *args: str) -> None:
        if self.broken:
            return
        try:
            getattr(self._file, method)(*args)
        except BlockingIOError:
            pass  # a terminal that is too slow now gets the next text
        except (OSError, ValueError):  # ValueError: it was closed
            self.broken = True
