"""Starts of a training run, each in a process of its own that is killed or ends.

A process is forked from one that has imported everything and computed nothing, or is a
new one. JAX starts its threads with its first computation, after which no fork is safe.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from benchmarks.faults._landing import kill_at
from benchmarks.faults._training import train
from funclearn._jaxprs import backends_exist
from funclearn.running import _chunks, _sources, _streamed

__all__ = ["TRAININGS", "Start", "counted", "ended", "fork", "prepare"]

TRAININGS: Mapping[str, Mapping[str, Any]] = {
    "kills": {"watched": False},
    "kills of runs that a rule watches": {},
    # Its epochs are looked at batch by batch, and take longer.
    "kills of runs on mapped data": {"mapped": True, "epochs": 100},
}
"""What is trained, by the name of its line in the table."""

_STUCK = 120.0
_SECONDS = 0.002  # of a chunk, so that a run has a save for each few epochs
_LOOK = 0.001


class Start(NamedTuple):
    """What a process does.

    Attributes:
        kind: of the training, one of `TRAININGS`.
        folder: of the run.
        place: where it kills itself; None if it does not.
        number: the how manieth time that it gets there.
    """

    kind: str
    folder: Path
    place: str | None = None
    number: int = 1

    @property
    def marker(self) -> Path:
        """A file that is there once the process trains."""
        return Path(f"{self.folder}.trains")


def prepare() -> None:
    """Has this process, and those forked from it, save often and compile nothing twice.

    For the latter JAX_COMPILATION_CACHE_DIR must be set.
    """
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    _chunks._SECONDS = _SECONDS
    # Of rows this few every batch is a block, and seen.
    _sources.BLOCK, _streamed._SECONDS = 0, 0.0


def carry_out(kind: str, folder: Path | str, place: str | None, number: int) -> None:
    """Trains, in the process of a start."""
    start = Start(kind, Path(folder), place, number)
    if place is not None:
        kill_at(place, number, start.folder)
    told = [lambda report: start.marker.touch()]
    train(start.folder, callbacks=told, **TRAININGS[kind])


def ended(
    start: Start,
    *,
    seconds: float | None = None,
    trained: float | None = None,
    new: bool = False,
) -> tuple[int, float, float]:
    """Starts a process, and waits for its end.

    Args:
        start: what it does.
        seconds: when to kill it, from its start; None lets it end.
        trained: the same, from when it begins to train.
        new: whether it is a new process, and no fork.

    Returns:
        Its status, negative for a signal; 1 of one that hangs, which is killed. And
        how many seconds it took to begin to train, and trained.
    """
    start.marker.unlink(missing_ok=True)
    began = time.monotonic()
    pid = _new(start) if new else fork(lambda: carry_out(*start))
    trains, killed = None, False
    while True:
        over, status = os.waitpid(pid, os.WNOHANG)
        now = time.monotonic()
        if trains is None and start.marker.exists():
            trains = now
        if over:
            code = os.waitstatus_to_exitcode(status)
            return code, (trains or now) - began, now - (trains or now)
        due = now - began >= (_STUCK if seconds is None else seconds)
        if trained is not None and trains is not None:
            due = due or now - trains >= trained
        if due and not killed:
            os.kill(pid, signal.SIGKILL)
            killed = True
            if seconds is None and (trained is None or trains is None):
                os.waitpid(pid, 0)
                return 1, now - began, 0.0
        time.sleep(_LOOK)


def fork(do: Callable[[], object], told: str = os.devnull) -> int:
    """Starts a process that does something; returns its number.

    Args:
        do: what it does; its status is 1 if that raises.
        told: the file that what it prints is added to; it says on standard error what
            it raised.
    """
    if backends_exist() or threading.active_count() > 1:
        raise RuntimeError("a process that computes cannot be forked.")
    pid = os.fork()
    if pid:
        return pid
    status = 1
    # Else the end of this process would remove the folders of the other.
    atexit._clear()
    try:
        file = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        if told != os.devnull:
            os.dup2(file, 2)
        do()
        atexit._run_exitfuncs()
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def _new(start: Start) -> int:
    arguments = (start.kind, str(start.folder), start.place, start.number)
    code = (
        "from benchmarks.faults import _starts; _starts.prepare(); "
        f"_starts.carry_out(*{arguments!r})"
    )
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.DEVNULL
    )
    # Whoever waits for the process by its number need not be told of it by its object.
    child.returncode = 0
    return child.pid


def counted(code: str, cache: str) -> dict[str, int]:
    """Runs code in a new process; shows what it prints, and returns the counts.

    Args:
        code: whose last line of output holds them, as JSON.
        cache: the folder of compiled programs.
    """
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        # NumPy's threads would be lost by a fork.
        env=os.environ
        | {"JAX_COMPILATION_CACHE_DIR": cache, "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    *said, last = ran.stdout.splitlines()
    print(*said, sep="\n", end="\n" if said else "", flush=True)
    return json.loads(last)
