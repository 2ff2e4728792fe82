"""Signals that ask a run to end, heard between two chunks."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["listening"]

_HEARD = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def listening() -> Iterator[Callable[[], int | None]]:
    """Notes the first SIGINT or SIGTERM instead of what it would do otherwise.

    A second one acts as if nobody listened. So does the first off the main thread,
    where Python lets nobody listen.

    Yields:
        A function that returns the number of the signal; None as long as there is none.
    """
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    earlier: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        earlier.clear()

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        heard.append(number)
        restore()

    for number in _HEARD:
        # Of a handler that was not set from Python nothing is known but None: it could
        # not be restored. Who ignores a signal, as under nohup, goes on doing so.
        if signal.getsignal(number) not in (None, signal.SIG_IGN):
            earlier[number] = signal.signal(number, note)
    try:
        yield lambda: heard[0] if heard else None
    finally:
        restore()
