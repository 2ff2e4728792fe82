"""A crash test for training loops: kill them, start them again, compare the bits."""

import os
import random
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

from funclearn._checks import integer_at_least, positive_number
from funclearn.testing._children import Kill
from funclearn.testing._copies import Copies
from funclearn.testing._outcomes import Result
from funclearn.testing._scripts import Script

__all__ = ["CrashReport", "assert_resumes"]


class CrashReport(NamedTuple):
    """What a script has stood.

    Attributes:
        kills: that landed, all together.
        resumed: of these, in a run that had been resumed.
        writes: of an uninterrupted run.
        losses: of power, simulated; None where the system does not show flushes.
    """

    kills: int
    resumed: int
    writes: int
    losses: int | None

    def __str__(self) -> str:
        """One line."""
        losses = "flushes not seen, so no" if self.losses is None else self.losses
        return (
            f"{self.kills} kills landed, {self.resumed} of them in a resumed run; "
            f"{self.writes} writes; {losses} losses of power"
        )


def assert_resumes(
    command: str | Sequence[str],
    *,
    folder: str | os.PathLike[str],
    result: Result,
    kills: int | None = None,
    seconds: float | int = 600,
) -> CrashReport:
    """Asserts that a training script, killed at any moment, resumes to the same bits.

    A crash test for anybody's training loop. The script runs twice uninterrupted; its
    writes are counted. Then, for each kill: the folder is filled as it was at first,
    the script started and killed (SIGKILL to its process group) right after a write,
    started again and killed again, at one of its writes or at a random moment, and
    started a third time. What it leaves at its end must be what it leaves
    uninterrupted. For every fourth write, one kill more falls at a random moment. All
    that is random is seeded.

    A write is a change of the folder that the operating system reports (through the
    library watchdog; found by looking every millisecond where that is missing): a file
    or folder appears, changes, is renamed or removed. The signal follows the report, so
    a script may be a few more operations further.

    A loss of power is simulated where Linux tells which files it has not yet written
    to the disk (since 6.5; not on a tmpfs): at every kill at which files that the
    script changed were not flushed, the newest of them and some of the others lose what
    their last change added, in whole or the second half; where that leaves nothing and
    the name is new, the file may be missing. Then the script is started once more. What
    a file system promises beyond POSIX is not relied on. Renamings and removals that a
    machine may lose are not simulated.

    Args:
        command: what starts the script, and resumes it: the program and its arguments,
            or one string that is split as a shell does. It inherits the environment
            and the current folder.
        folder: where the script writes. What is in it, as data, is there at each start,
            and at the end again. It is copied aside and emptied in between, so let it
            be small, and the script's own. It is made where there is none.
        result: what must agree: names or globs of files in `folder`, whose bytes are
            compared; or a function of the folder (a `Path`) that returns a pytree of
            arrays, bytes and other values, compared bit by bit. Pickles and archives
            of equal values may differ in bytes: read them.
        kills: after how many writes, spread evenly from the first to the last; None is
            after each. Every kill takes three or four starts.
        seconds: how long one start may take; what takes longer is said to hang.

    Returns:
        What landed; `str` of it is one line. Every planned kill has landed, in the
        resumed run as well: some writes earlier where the script had ended before.

    Raises:
        AssertionError: if the result differs; if a start fails, hangs or leaves no
            result; if two uninterrupted runs differ, the script writes nothing, or
            ends before it can be killed: then nothing could be said. The message tells
            at which kills, what differs, and where the folder is kept.
        ValueError: if an argument is wrong.

    Example:
        >>> import sys, tempfile
        >>> script = '''
        ... import os, pathlib, sys
        ... new, saved = (pathlib.Path(sys.argv[1], name) for name in ("new", "saved"))
        ... text = saved.read_text() if saved.exists() else "0 0"
        ... step, total = map(int, text.split())
        ... while step < 3:
        ...     step, total = step + 1, total + step
        ...     with open(new, "w") as file:
        ...         file.write(f"{step} {total}")
        ...         file.flush()
        ...         os.fsync(file.fileno())
        ...     os.replace(new, saved)
        ... '''
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report = fl.testing.assert_resumes(
        ...         [sys.executable, "-c", script, folder],
        ...         folder=folder,
        ...         result="saved",
        ...         kills=2,
        ...     )
        >>> report.resumed  # two after writes, one at a random moment
        3
    """
    words = shlex.split(command) if isinstance(command, str) else list(command)
    if not words or shutil.which(words[0]) is None:
        raise ValueError(f"command must start with a program; got {command!r}.")
    if not callable(result) and not result:
        raise ValueError(f"result must name files or be a function; got {result!r}.")
    kills = None if kills is None else integer_at_least("kills", kills, 1)
    seconds = positive_number("seconds", seconds)
    place = Path(folder).resolve()
    for other in (Path.cwd(), Path(tempfile.gettempdir()).resolve()):
        if other.is_relative_to(place):
            raise ValueError(
                "folder is emptied before each start, so it must not hold the current "
                f"or the temporary folder; got {str(place)!r}, which holds {other}."
            )
    place.mkdir(parents=True, exist_ok=True)
    with Copies(place) as copies:
        script = Script(words, copies, result, seconds)
        writes, busy = script.run_uninterrupted()
        for kill in list(_plan(writes, busy, kills, script.random)):
            script.crash(kill)
        losses = script.losses if script.sees_flushes else None
        return CrashReport(script.kills, script.resumed, writes, losses)


def _plan(
    writes: int, busy: tuple[float, float], kills: int | None, rng: random.Random
) -> Iterator[Kill]:
    n = min(kills or writes, writes)
    spread = [1 + place * (writes - 1) / max(n - 1, 1) for place in range(n)]
    if n == 1:
        spread = [(writes + 1) / 2]
    yield from (Kill(writes=round(place)) for place in spread)
    for _ in range(ceil(n / 4)):
        yield Kill(seconds=rng.uniform(*busy))
