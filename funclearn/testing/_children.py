"""One start of a script: watched, and killed where it is to be."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from funclearn.testing._watching import Changes, Growth, watching

__all__ = ["Ended", "Kill", "start"]

_GROUPS = hasattr(os, "killpg")
"""Whether a script and what it starts can be killed together: not on Windows."""

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
"""What ends a process at once; Windows has another way, and no such name."""

_TICK = 0.005
"""Seconds between two looks whether the script has ended."""

_DYING = 0.25
"""Seconds that a killed group may take to be gone. Its dead stay where the first
process of a container does not collect them."""

_TAIL = 12
"""Lines of standard error that a message shows."""


class Kill(NamedTuple):
    """When to kill: after so many writes, or after so many seconds.

    Attributes:
        writes: counted from the start; None to go by the time.
        seconds: since the start.
    """

    writes: int | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        """The moment in words."""
        if self.writes is None:
            return f"{self.seconds:.3f} s after its start"
        return f"right after write {self.writes}"


class Ended(NamedTuple):
    """How a start of the script ended.

    Attributes:
        status: its exit status, negative after a signal; None if it took too long.
        killed: whether our kill ended it, not itself.
        writes: the changes of the folder.
        seconds: from its start to its end.
        busy: the seconds from its start to its first and to its last write.
        grown: what was seen of the sizes of files.
        errors: the last lines of its standard error.
    """

    status: int | None
    killed: bool
    writes: int
    seconds: float
    busy: tuple[float, float]
    grown: Mapping[Path, Growth]
    errors: str


def start(
    command: Sequence[str],
    folder: Path,
    output: Path,
    kill: Kill | None,
    seconds: float,
) -> Ended:
    """Starts a script and waits for its end.

    Whatever ends this function, an interrupt too, ends the script and all that it
    started in its process group.

    Args:
        command: the program and its arguments.
        folder: where to count changes.
        output: a folder for what the script prints.
        kill: when to end it, with SIGKILL to its process group.
        seconds: how long it may take.
    """
    with (
        watching(folder) as changes,
        open(output / "stdout.txt", "wb") as out,
        open(output / "stderr.txt", "wb") as err,
    ):
        begun = time.monotonic()
        process = _Process(command, out, err)
        try:
            if kill is not None and kill.writes is not None:
                changes.at(kill.writes, process.kill)
            late = _wait(process, changes, begun, kill, seconds)
        finally:
            process.end()
        taken = time.monotonic() - begun
        changes.settle()
    first, last = (
        min((moment or begun) - begun, taken)
        for moment in (changes.first, changes.last)
    )
    return Ended(
        status=None if late else process.status,
        killed=process.killed,
        writes=changes.count,
        seconds=taken,
        busy=(first, last),
        grown=changes.grown,
        errors=_tail(output / "stderr.txt"),
    )


def _wait(
    process: "_Process",
    changes: Changes,
    begun: float,
    kill: Kill | None,
    seconds: float,
) -> bool:
    """Waits for the end, or for the moment to kill; whether it took too long."""
    while process.status is None:
        passed, left = time.monotonic() - begun, _TICK
        if passed > seconds:
            return True
        if kill is not None and kill.writes is None:
            left = min(left, kill.seconds - passed)
            if left <= 0:
                process.kill()
                return False
        changes.wait(changes.count, left)
    return False


class _Process:
    """A script that runs in a process group of its own."""

    def __init__(self, command: Sequence[str], out: BinaryIO, err: BinaryIO) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=_GROUPS,
        )
        self._sent = False

    @property
    def status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def killed(self) -> bool:
        """Whether `kill` ended it: what had ended before keeps its own status."""
        by_signal = self.status == -_KILL if _GROUPS else self.status != 0
        return self._sent and by_signal

    def kill(self) -> None:
        """Sends the signal."""
        # Once it is known to have ended, its number may belong to another.
        if self._process.returncode is None:
            self._sent = True
            self._send(_KILL)

    def end(self) -> None:
        """Kills what is left of the group, and waits until it is gone."""
        self._send(_KILL)
        self._process.wait()
        # Others of the group may die, and write, a little later than its leader.
        limit = time.monotonic() + _DYING
        while self._send(0) and time.monotonic() < limit:
            time.sleep(_TICK)

    def _send(self, number: int) -> bool:
        """Whether there was anybody to get it."""
        if not _GROUPS:
            self._process.kill()
            return False
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def _tail(file: Path) -> str:
    lines = file.read_text("utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_TAIL:])
