"""Signs of life, by which processes that have met know that the others go on.

One that is killed closes its connections, and whoever computes with it is told. One
that stands still, or whose machine is gone, leaves the others waiting for what it will
not compute. JAX takes note of that, and lets them wait.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping

__all__ = ["Signs", "when_silent"]

_SIGN = b"."
_SHARE = 0.2
"""Of the time after which a process counts as silent, what lies between two signs."""

_told: list[Callable[[int, float], object]] = []


@contextlib.contextmanager
def when_silent(do: Callable[[int, float], object]) -> Iterator[None]:
    """Has a process that has become silent told, within.

    Args:
        do: is called, in a thread of its own, with the number of the process and after
            how many seconds.
    """
    _told.append(do)
    try:
        yield
    finally:
        _told.remove(do)


class Signs(threading.Thread):
    """Gives signs, and looks for those of others, until all of them have gone."""

    def __init__(self, connections: Mapping[int, socket.socket], seconds: float):
        """Begins.

        Args:
            connections: to other processes, by their numbers; closed in the end.
            seconds: after how many without a sign one is silent.
        """
        super().__init__(name="funclearn signs", daemon=True)
        self._connections, self._seconds = dict(connections), seconds
        self.start()

    def run(self) -> None:
        """Gives signs, and looks for others."""
        pause = _SHARE * self._seconds
        silent = dict.fromkeys(self._connections, 0.0)
        before = time.monotonic()
        while self._connections:
            for process, connection in [*self._connections.items()]:
                try:
                    if _has_come(connection):
                        silent[process] = 0.0
                    _give(connection)
                except OSError:
                    self._connections.pop(process).close()
            for process in self._connections:
                if silent[process] > self._seconds:
                    for do in _told[-1:]:
                        do(process, self._seconds)
            time.sleep(pause)
            now = time.monotonic()
            # Where this process stood still itself, the others may have as well.
            passed, before = min(now - before, 2 * pause), now
            for process in silent:
                silent[process] += passed


def _has_come(connection: socket.socket) -> bool:
    """Whether there were signs.

    Raises:
        OSError: if the process has gone.
    """
    connection.setblocking(False)
    try:
        if not connection.recv(4096):
            raise ConnectionResetError
    except BlockingIOError:
        return False
    return True


def _give(connection: socket.socket) -> None:
    # Who does not read them for hours has had enough.
    with contextlib.suppress(BlockingIOError):
        connection.send(_SIGN)
