"""How far something has come, in the output of a notebook's cell."""

import secrets
import sys
import time
from collections.abc import Callable
from typing import Any

from funclearn._display._lines import Drawn
from funclearn._display._seen import Shown
from funclearn._display._stream import Stream

__all__ = ["Cell", "kernel_shell"]


class Cell(Drawn):
    """One line, drawn over about four times a second; plain text and no widgets.

    It is an output of its own: what is printed meanwhile stands below and does not run
    into it, and a notebook that is saved holds the line as it was last.
    """

    def __init__(self, shell: Any, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(Stream(_Output(shell)), clock=clock)
        self._above = self._line = self._below = ""

    def _draw(self, seen: Shown) -> None:
        self._line = f"{seen}\n"
        self._publish()

    def _write(self, text: str) -> None:
        if self._closed:
            self._below += text
        else:
            self._above += text
        self._publish()

    def _publish(self) -> None:
        super()._write(self._above + self._line + self._below)


class _Output:
    """A text in the output of a cell, of which each takes the place of the one before.

    Streams would do with a carriage return, but whatever else is printed breaks the
    line, and notebooks that are run without a screen hold every line that ever was.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._name, self._there = secrets.token_hex(16), False

    def write(self, text: str) -> None:
        """Shows a text."""
        try:
            self._shell.display_pub.publish(
                {"text/plain": text.rstrip("\n")},
                transient={"display_id": self._name},
                update=self._there,
            )
        except Exception as error:  # the kind depends on what carries the messages
            raise OSError(f"the cell cannot be written: {error}") from error
        self._there = True

    def flush(self) -> None:
        """Does nothing: texts are sent at once."""


def kernel_shell() -> Any:
    """The shell of IPython that runs the cells of a notebook; None if there is none."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return None if getattr(shell, "kernel", None) is None else shell
