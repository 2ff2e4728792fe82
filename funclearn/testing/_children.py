"""One start of a script: watched, and killed where it is to be."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from funclearn.testing._watching import Changes, Growth, watching

__all__ = ["Ended", "Kill", "start"]

_GROUPS = hasattr(os, "killpg")
"""Whether a script and what it starts can be killed together: not on Windows."""

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

    def due(self, writes: int, seconds: float) -> bool:
        """Whether it is time."""
        if self.writes is None:
            return seconds >= self.seconds
        return writes >= self.writes

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
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=_GROUPS,
        )
        try:
            late, killed = _wait(process, changes, begun, kill, seconds)
        finally:
            _end(process)
        taken = time.monotonic() - begun
        changes.settle()
    # What had ended by itself before the signal came keeps its own status.
    killed = killed and (not _GROUPS or process.returncode == -signal.SIGKILL)
    return Ended(
        status=None if late else process.returncode,
        killed=killed,
        writes=changes.count,
        seconds=taken,
        busy=((changes.first or begun) - begun, (changes.last or begun) - begun),
        grown=changes.grown,
        errors=_tail(output / "stderr.txt"),
    )


def _wait(
    process: subprocess.Popen[bytes],
    changes: Changes,
    begun: float,
    kill: Kill | None,
    seconds: float,
) -> tuple[bool, bool]:
    """Waits for the end or the moment to end it: whether too late, whether to kill."""
    while process.poll() is None:
        passed, count = time.monotonic() - begun, changes.count
        if kill is not None and kill.due(count, passed):
            return False, True
        if passed > seconds:
            return True, False
        left = _TICK
        if kill is not None and kill.writes is None:
            left = min(left, kill.seconds - passed)
        changes.wait(count, left)
    return False, False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills what is left of the script's group, and waits until it is gone."""
    if not _GROUPS:
        process.kill()
        process.wait()
        return
    _to_group(process, signal.SIGKILL)
    process.wait()
    # Others of the group may die, and write, a little later than its leader.
    limit = time.monotonic() + _DYING
    while _to_group(process, 0) and time.monotonic() < limit:
        time.sleep(_TICK)


def _to_group(process: subprocess.Popen[bytes], number: int) -> bool:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _tail(file: Path) -> str:
    lines = file.read_text("utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_TAIL:])
