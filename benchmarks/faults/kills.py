"""SIGKILL in the middle of a run, again and again, and what the run gets to."""

import json
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGKILL

import numpy as np

from benchmarks.faults._landing import PLACES
from benchmarks.faults._line import Line
from benchmarks.faults._standing import standing
from benchmarks.faults._starts import TRAININGS, Start, counted, ended, prepare

__all__ = ["child", "lines"]

_SHARES = (0.6, 0.15, 0.25)  # of the kinds of training
_WITHIN_A_SAVE, _WHILE_IT_TRAINS = 0.7, 0.85  # the rest at any time of a start
_NEW = 0.05  # of the starts
_WORKERS = 2


def lines(number: int, seed: int) -> list[Line]:
    """Kills runs so many times, most of them plain runs."""
    numbers = [int(share * number) for share in _SHARES]
    numbers[0] += number - sum(numbers)
    return [
        line
        for at, (kind, n) in enumerate(zip(TRAININGS, numbers, strict=True))
        for line in _lines(kind, n, seed + at * _WORKERS)
    ]


def _lines(kind: str, number: int, seed: int) -> list[Line]:
    """Kills runs of a kind, in two processes at once."""
    began = time.monotonic()
    shares = [number // _WORKERS + (at < number % _WORKERS) for at in range(_WORKERS)]
    with tempfile.TemporaryDirectory() as cache, ThreadPoolExecutor(_WORKERS) as pool:
        told = list(
            pool.map(
                lambda at: _told(kind, shares[at], seed + at, cache), range(_WORKERS)
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
        Line(kind, counts["kills"], first, wrong, seconds),
        Line("  of them within a save", sum(inside.values()), inside),
    ]


def _told(kind: str, number: int, seed: int, cache: str) -> dict[str, int]:
    arguments = f"{kind!r}, {number}, {seed}"
    code = f"from benchmarks.faults import kills; kills.child({arguments})"
    return counted(code, cache)


def child(kind: str, number: int, seed: int) -> None:
    """In a process of its own: makes and kills runs, and tells the counts."""
    prepare()
    rng = np.random.default_rng(seed)
    counts = Counter[str]()
    with tempfile.TemporaryDirectory() as temporary:
        whole = Start(kind, Path(temporary, "whole"))
        ended(whole)
        # By now there is nothing left to compile.
        _, before, training = ended(Start(kind, Path(temporary, "timed")))
        right = standing(whole.folder)
        while counts["kills"] < number:
            start = Start(kind, Path(temporary, f"{counts['runs']}"))
            for _ in range(min(int(rng.integers(3, 9)), number - counts["kills"])):
                _kill(start, rng, (before, training), counts)
            counts["runs"] += 1
            outcome = _outcome(start, right)
            if outcome is not None:
                counts["WRONG"] += 1
                print(f"WRONG: {outcome}, seed {seed}, run {counts['runs']}")
    print(json.dumps(counts))


def _kill(
    start: Start,
    rng: np.random.Generator,
    seconds: tuple[float, float],
    counts: Counter[str],
) -> None:
    """Starts a run, or goes on with it, and kills it.

    Args:
        start: the run.
        rng: draws when.
        seconds: that a whole run takes to begin to train, and trains.
        counts: of what happened; grows.
    """
    resumed = bool(list(start.folder.glob("checkpoint-*.safetensors")))
    new, kind = rng.random() < _NEW, rng.random()
    if kind < _WITHIN_A_SAVE:
        at, number = str(rng.choice(PLACES)), int(rng.integers(1, 4))
        place = at
        status, *_ = ended(start._replace(place=at, number=number), new=new)
    elif kind < _WHILE_IT_TRAINS:
        place = "while it trains"
        until = float(rng.uniform(0, seconds[1]))
        status, *_ = ended(start, trained=until, new=new)
    else:
        place = "at a random time"
        until = float(rng.uniform(0, sum(seconds)))
        status, *_ = ended(start, seconds=until, new=new)
    if status != -SIGKILL:
        counts["ended before"] += 1
        if status:
            counts["WRONG"] += 1
            print(f"WRONG: status {status} {place}")
        return
    counts["kills"] += 1
    counts[place] += 1
    counts["of a resumed run"] += resumed
    counts["of a new process"] += new


def _outcome(start: Start, right: dict[str, bytes]) -> str | None:
    """Goes on with a run to its end; what is wrong then, if anything."""
    status, *_ = ended(start)
    if status:
        return f"status {status}"
    found = standing(start.folder)
    wrong = [name for name in right if found[name] != right[name]]
    if wrong:
        return f"other bytes in {', '.join(wrong)}"
    left = [path.name for path in start.folder.glob(".*.tmp")]
    kept = len(list(start.folder.glob("checkpoint-*.safetensors")))
    if left or kept > 4:
        return f"left over: {kept} checkpoints and {left}"
    return None
