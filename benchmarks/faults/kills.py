"""SIGKILL in the middle of a run, again and again, and what the run gets to.

Processes are forked from one that has imported everything and computed nothing: JAX
starts its threads with its first computation.
"""

import functools
import json
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np

from benchmarks.faults._landing import PLACES, kill_at
from benchmarks.faults._line import Line
from benchmarks.faults._standing import standing
from benchmarks.faults._training import train
from funclearn.running import _chunks, _sources, _streamed

__all__ = ["child", "lines", "outcome_of"]

_STUCK = 120.0
_SECONDS = 0.002  # of a chunk, so that a run has a save for each few epochs
_WORKERS = 2

_Training = Callable[[Path], object]


def lines(number: int, seed: int) -> list[Line]:
    """Kills runs so many times, a quarter of them runs whose data are mapped."""
    mapped = number // 4
    return [
        *_lines("kills", number - mapped, seed, mapped=False),
        *_lines("kills of runs on mapped data", mapped, seed + _WORKERS, mapped=True),
    ]


def _lines(name: str, number: int, seed: int, *, mapped: bool) -> list[Line]:
    """Kills runs of a kind, in two processes at once."""
    began = time.monotonic()
    shares = [number // _WORKERS + (at < number % _WORKERS) for at in range(_WORKERS)]
    with tempfile.TemporaryDirectory() as cache, ThreadPoolExecutor(_WORKERS) as pool:
        told = list(
            pool.map(
                lambda at: _told(shares[at], seed + at, cache, mapped), range(_WORKERS)
            )
        )
    counts = Counter[str]()
    for one in told:
        counts.update(one)
    seconds = time.monotonic() - began
    wrong = counts.pop("WRONG", 0)
    inside = {place: counts.pop(place, 0) for place in PLACES}
    chains = counts.pop("runs", 0)
    first = {"runs": chains, "right to the bit": chains - wrong, **counts}
    return [
        Line(name, counts["kills"], first, wrong, seconds),
        Line("  of them within a save", sum(inside.values()), inside),
    ]


def _told(number: int, seed: int, cache: str, mapped: bool) -> dict[str, int]:
    arguments = f"{number}, {seed}, mapped={mapped}"
    code = f"from benchmarks.faults import kills; kills.child({arguments})"
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "JAX_COMPILATION_CACHE_DIR": cache},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    *said, last = ran.stdout.splitlines()
    print(*said, sep="\n", end="\n" if said else "", flush=True)
    return json.loads(last)


def child(number: int, seed: int, *, mapped: bool = False) -> None:
    """In a process of its own: makes and kills runs, and tells the counts."""
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    _chunks._SECONDS = _SECONDS
    # Of rows this few every batch is a block, and seen.
    _sources.BLOCK, _streamed._SECONDS = 0, 0.0
    rng = np.random.default_rng(seed)
    counts = Counter[str]()
    with tempfile.TemporaryDirectory() as temporary:
        # Its epochs are looked at batch by batch, and take longer.
        trained = functools.partial(train, epochs=150, mapped=True) if mapped else train
        whole = Path(temporary, "whole")
        _forked(whole, trained)
        seconds = _timed(Path(temporary, "timed"), trained)
        right = standing(whole)
        while counts["kills"] < number:
            folder = Path(temporary, f"{counts['runs']}")
            most = min(int(rng.integers(3, 9)), number - counts["kills"])
            for _ in range(most):
                _kill(folder, trained, rng, seconds, counts)
            counts["runs"] += 1
            outcome = outcome_of(folder, right, trained)
            if outcome is not None:
                counts["WRONG"] += 1
                print(f"WRONG: {outcome}, seed {seed}, run {counts['runs']}")
    print(json.dumps(counts))


def _kill(
    folder: Path,
    trained: _Training,
    rng: np.random.Generator,
    seconds: float,
    counts: Counter[str],
) -> None:
    """Starts a run, or goes on with it, and kills it."""
    resumed = bool(list(folder.glob("checkpoint-*.safetensors")))
    place = str(rng.choice(PLACES)) if rng.random() < 0.7 else None
    if place is not None:
        at, number = place, int(rng.integers(1, 4))
        status = _forked(folder, trained, lambda: kill_at(at, number, folder))
    else:
        until = float(rng.uniform(0, seconds))
        status = _forked(folder, trained, seconds=until)
    if status != -signal.SIGKILL:
        counts["ended before"] += 1
        if status:
            counts["WRONG"] += 1
            print(f"WRONG: status {status} at {place}")
        return
    counts["kills"] += 1
    counts["at a random time" if place is None else place] += 1
    counts["of a resumed run"] += resumed


def _timed(folder: Path, trained: _Training) -> float:
    began = time.monotonic()
    _forked(folder, trained)
    return time.monotonic() - began


def _forked(
    folder: Path,
    trained: _Training,
    prepare: Callable[[], None] = lambda: None,
    seconds: float | None = None,
) -> int:
    """Trains in a fork; returns its status, negative for a signal.

    Args:
        folder: the folder of the run.
        trained: what trains there.
        prepare: is called first, in the fork.
        seconds: when to kill it, from its start; None lets it end.
    """
    started = mmap.mmap(-1, 1)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            sys.stdout = open(os.devnull, "w")
            prepare()
            started[0] = 1
            trained(folder)
            status = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    until = time.monotonic() + (_STUCK if seconds is None else seconds)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            # One that never ended is no kill.
            code = os.waitstatus_to_exitcode(status)
            return code if seconds is not None else 1
        time.sleep(0.0005)


def outcome_of(
    folder: Path, right: dict[str, bytes], trained: _Training = train
) -> str | None:
    """Goes on with a run to its end; what is wrong then, if anything."""
    status = _forked(folder, trained)
    if status:
        return f"status {status}"
    found = standing(folder)
    wrong = [name for name in right if found[name] != right[name]]
    if wrong:
        return f"other bytes in {', '.join(wrong)}"
    left = [path.name for path in folder.glob(".*.tmp")]
    kept = len(list(folder.glob("checkpoint-*.safetensors")))
    if left or kept > 4:
        return f"left over: {kept} checkpoints and {left}"
    return None
