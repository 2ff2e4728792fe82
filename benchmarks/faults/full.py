"""A disk that is full at every write of a run."""

import contextlib
import os
import resource
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np

import funclearn as fl
from benchmarks.faults._line import Line
from benchmarks.faults._standing import standing
from benchmarks.faults._training import train

__all__ = ["lines"]

_SIZE = 2**20  # of the disk
_EARLIER, _EPOCHS = 30, 400
_KIB = 4  # a page, which is the least that a tmpfs takes

Limit = Callable[[int], contextlib.AbstractContextManager[None]]


def lines(number: int) -> list[Line]:
    """Lets the disk be full after so many different numbers of bytes."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary, "whole")
        rows = train(whole, epochs=_EPOCHS).history.loss
        right, disk = standing(whole), Path(temporary, "disk")
        disk.mkdir()
        with _disk(disk) as (kind, limit):
            most = sum(path.stat().st_size for path in whole.iterdir()) // 1024 + _KIB
            counts = Counter[str]()
            for free in np.linspace(0, most, number).astype(int).tolist():
                outcome = _outcome(disk / f"{free}", limit, free, np.asarray(rows))
                wrong = _goes_on(disk / f"{free}", right)
                outcome = wrong or outcome
                if outcome.startswith("WRONG"):
                    print(f"{outcome} with {free} KiB free", flush=True)
                counts[outcome.partition(":")[0]] += 1
                subprocess.run(["rm", "-r", str(disk / f"{free}")], check=True)
    wrong = counts.pop("WRONG", 0)
    return [
        Line(f"full disk ({kind})", number, counts, wrong, time.monotonic() - began)
    ]


def _outcome(folder: Path, limit: Limit, free: int, rows: np.ndarray) -> str:
    """What comes of a run that has a checkpoint, and then too little room."""
    train(folder, epochs=_EARLIER)
    like = train(folder, epochs=_EARLIER).state
    try:
        with limit(free):
            train(folder, epochs=_EPOCHS)
    except fl.running.Failed as error:
        run, done = error.run, int(error.run.epochs)
        if int(run.state.epoch) != done or not np.array_equal(
            run.history.loss, rows[:done]
        ):
            return "WRONG: the run that was given back"
        if os.fspath(folder) not in str(error):
            return f"WRONG: no file is named: {error}"
        outcome = "given back"
    except OSError as error:
        # Before the run began, or of the script itself.
        if os.fspath(folder) not in f"{error} {error.filename}":
            return f"WRONG: no file is named: {error}"
        outcome = "refused, the file named"
    except Exception as error:
        return f"WRONG: {type(error).__name__}: {error}"
    else:
        return "there was room"
    saved = fl.checkpoints.latest(folder)
    if saved is None or (saved.epoch or 0) < _EARLIER:
        return "WRONG: the older checkpoint is gone"
    restored = fl.checkpoints.restore(folder, like)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(restored.params)):
        return "WRONG: the older checkpoint is damaged"
    return outcome


def _goes_on(folder: Path, right: dict[str, bytes]) -> str:
    try:
        train(folder, epochs=_EPOCHS)
    except Exception as error:
        return f"WRONG: {type(error).__name__}: {error}"
    found = standing(folder)
    wrong = [name for name in right if found[name] != right[name]]
    if wrong:
        return f"WRONG: other bytes in {', '.join(wrong)}"
    return ""


@contextlib.contextmanager
def _disk(folder: Path) -> Iterator[tuple[str, Limit]]:
    """A small disk where this process may mount one, else a limit on each file."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
    with contextlib.suppress(FileNotFoundError):
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            try:
                yield "tmpfs", lambda free: _ballast(folder, free)
            finally:
                subprocess.run(["umount", str(folder)], check=True)
            return
    yield "limit of a file", _file_limit


@contextlib.contextmanager
def _ballast(folder: Path, free: int) -> Iterator[None]:
    """Fills a disk up but for so many KiB."""
    facts = os.statvfs(folder)
    size = max(0, facts.f_bavail * facts.f_frsize - free * 1024)
    path = folder / "ballast"
    path.write_bytes(bytes(size))
    try:
        yield
    finally:
        path.unlink()


@contextlib.contextmanager
def _file_limit(free: int) -> Iterator[None]:
    earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free * 1024, earlier[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
