"""Loops of others' making, put to the crash test: what it finds is theirs."""

import time

from benchmarks.crash._findings import LOOPS, finding
from benchmarks.faults._line import Line

__all__ = ["lines"]


def lines(kills: int) -> list[Line]:
    """What `assert_resumes` says of each loop."""
    found = []
    for name in LOOPS:
        began = time.monotonic()
        try:
            outcome = finding(name, kills)
        except ImportError as error:
            outcome = f"not tried: {error}"
        seconds = time.monotonic() - began
        found.append(Line(f"loop: {name}", kills, {"found": outcome}, 0, seconds))
    return found
