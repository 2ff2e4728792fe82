"""SIGKILL of one of several processes that train together, and what the run gets to."""

import json
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.faults._landing import PLACES
from benchmarks.faults._line import Line
from benchmarks.faults._standing import standing
from benchmarks.faults._starts import counted, fork, prepare
from benchmarks.faults._together import Job, address, train_together

__all__ = ["Group", "child", "kill", "lines", "outcome", "stop"]

_WITHIN_A_SAVE = 0.5  # of the kills, these of the process that saves
_SHAPES = ((2, 1), (2, 1), (2, 2))
"""Processes, and devices of each, of the runs that are killed."""
_ENDS = ((1, 1), (2, 1), (1, 2))
"""The same, of the last start of each run."""
_SOON, _STUCK = 2.0, 60.0
_HEARTBEAT, _GRACE = 3, 20.0
_LOST = 75
_LOOK = 0.002


def lines(kills: int, seed: int) -> list[Line]:
    """Kills processes so many times."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as cache:
        module = "benchmarks.faults.processes"
        code = f"import {module} as it; it.child({kills}, {seed})"
        counts = counted(code, cache)
    wrong = counts.pop("WRONG", 0)
    name = "kills of one of several processes"
    return [Line(name, kills, counts, wrong, time.monotonic() - began)]


def child(kills: int, seed: int) -> None:
    """In a process of its own: makes and kills jobs, and tells the counts."""
    prepare()
    rng = np.random.default_rng(seed)
    counts = Counter[str]()
    with tempfile.TemporaryDirectory() as temporary:
        whole, several = (Job(Path(temporary, name)) for name in ("one", "several"))
        Group(whole).finish()
        right = standing(whole.folder)
        seconds = _seconds(several._replace(processes=2))
        _judge(_compared(several.folder, right), counts)
        for victim in (0, 1):
            _judge(
                stop(Job(Path(temporary, f"{victim} stopped")), victim, counts), counts
            )
        while counts["kills"] < kills:
            job = Job(Path(temporary, f"{counts['runs']}"))
            for _ in range(min(int(rng.integers(2, 6)), kills - counts["kills"])):
                n, devices = _SHAPES[rng.integers(len(_SHAPES))]
                one = job._replace(processes=n, devices=devices)
                _judge(kill(one, rng, seconds, counts), counts)
            n, devices = _ENDS[rng.integers(len(_ENDS))]
            counts["runs"] += 1
            counts[f"ended on {n} x {devices}"] += 1
            one = job._replace(processes=n, devices=devices)
            _judge(outcome(one, right), counts)
    print(json.dumps(counts))


def _judge(wrong: str | None, counts: Counter[str]) -> None:
    if wrong is not None:
        counts["WRONG"] += 1
        print(f"WRONG: {wrong}", flush=True)


class Group:
    """The processes of a job, forked from this one.

    Attributes:
        pids: their numbers.
        ends: the status of each that has ended, and when that was seen.
    """

    def __init__(self, job: Job, place: str | None = None, number: int = 1) -> None:
        """Starts them; the first kills itself at a place in a save, if one is given."""
        job.marker.unlink(missing_ok=True)
        self._job = job._replace(address=address() if job.processes > 1 else "")
        self.pids = [self._fork(0, place, number)]
        self.pids += [self._fork(one, None, 1) for one in range(1, job.processes)]
        self.ends: dict[int, tuple[int, float]] = {}

    def _fork(self, process: int, place: str | None, number: int) -> int:
        def do() -> None:
            train_together(self._job, process, place=place, number=number)

        return fork(do, self._told(process))

    def _told(self, process: int) -> str:
        return f"{self._job.folder}.told-{process}"

    def said(self) -> str:
        """What each has said last."""
        files = [Path(self._told(process)) for process in range(len(self.pids))]
        return " / ".join(one.read_text("utf-8")[-500:] for one in files)

    def until(self, reached: Callable[[], bool], seconds: float = _STUCK) -> bool:
        """Waits until something is reached; whether it was before time was over."""
        over = time.monotonic() + seconds
        while not reached():
            self._look()
            if time.monotonic() > over:
                return False
            time.sleep(_LOOK)
        return True

    def _look(self) -> None:
        for process, pid in enumerate(self.pids):
            if process not in self.ends:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    code = os.waitstatus_to_exitcode(status)
                    self.ends[process] = code, time.monotonic()

    def end(self, seconds: float = _STUCK) -> list[int | None]:
        """Waits for all; the statuses, None of those that hang, which are killed."""
        self.until(lambda: len(self.ends) == len(self.pids), seconds)
        found = [self.ends.get(one, (None,))[0] for one in range(len(self.pids))]
        for process, pid in enumerate(self.pids):
            if process not in self.ends:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        return found

    def finish(self) -> None:
        """Waits for all, which must end well."""
        statuses = self.end()
        if set(statuses) != {0}:
            raise RuntimeError(f"statuses {statuses}: {self.said()}")


def _seconds(job: Job) -> float:
    """How long a whole run trains."""
    group = Group(job)
    group.until(lambda: job.marker.exists() or bool(group.ends))
    began = time.monotonic()
    group.finish()
    return time.monotonic() - began


def kill(
    job: Job, rng: np.random.Generator, seconds: float, counts: Counter[str]
) -> str | None:
    """Starts a job, or goes on with it, and kills one; what is wrong, if anything.

    Args:
        job: the job.
        rng: draws which and when.
        seconds: that a whole run trains.
        counts: of what happened; grows.
    """
    if rng.random() < _WITHIN_A_SAVE:
        victim, place = 0, str(rng.choice(PLACES))
        group = Group(job, place, int(rng.integers(1, 4)))
        group.until(lambda: bool(group.ends))
        saving = True
    else:
        victim, group = int(rng.integers(job.processes)), Group(job)
        group.until(lambda: job.marker.exists() or bool(group.ends))
        moment = time.monotonic() + float(rng.uniform(0, seconds))
        group.until(lambda: time.monotonic() > moment or bool(group.ends))
        if not group.ends:
            os.kill(group.pids[victim], signal.SIGKILL)
        saving = bool(list(job.folder.glob(".*.tmp")))
    statuses = group.end()
    if statuses == [0] * job.processes:
        counts["ended before"] += 1
        return None
    others = [status for one, status in enumerate(statuses) if one != victim]
    right = set(others) <= set(_allowed(victim))
    if statuses[victim] != -signal.SIGKILL or not right:
        return f"statuses {statuses}, {victim} killed: {group.said()}"
    late = max(at for _, at in group.ends.values()) - group.ends[victim][1]
    counts["kills"] += 1
    counts["while it saves"] += saving
    counts["of the first process"] += victim == 0
    counts["others gone within 2 s"] += late < _SOON
    counts["others with status 75"] += others == [_LOST]
    return None


def stop(job: Job, victim: int, counts: Counter[str]) -> str | None:
    """Has one stand still, which the other must not wait for; what is wrong."""
    job = job._replace(processes=2, heartbeat=_HEARTBEAT)
    group = Group(job)
    group.until(lambda: job.marker.exists() or bool(group.ends))
    os.kill(group.pids[victim], signal.SIGSTOP)
    gone = group.until(lambda: bool(group.ends), _HEARTBEAT + _GRACE)
    os.kill(group.pids[victim], signal.SIGKILL)
    statuses = group.end()
    counts["gone as one stood still"] += gone
    if gone and statuses[1 - victim] in _allowed(victim):
        return None
    return f"statuses {statuses}, {victim} stopped: {group.said()}"


def _allowed(victim: int) -> tuple[int, ...]:
    """With what status others may end; without process 0, JAX may be faster."""
    return (_LOST,) if victim else (_LOST, -signal.SIGABRT)


def outcome(job: Job, right: dict[str, bytes]) -> str | None:
    """Goes on with a job to its end; what is wrong then, if anything."""
    group = Group(job)
    statuses = group.end()
    if set(statuses) != {0}:
        return f"statuses {statuses}: {group.said()}"
    return _compared(job.folder, right)


def _compared(folder: Path, right: dict[str, bytes]) -> str | None:
    found = standing(folder)
    wrong = [name for name in right if found[name] != right[name]]
    if wrong:
        return f"other bytes in {', '.join(wrong)}"
    left = [path.name for path in folder.glob(".*.tmp")]
    return f"left over: {left}" if left else None
