"""Bad input by the ten thousands, each in a process that may end."""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from benchmarks._children import in_children
from benchmarks.faults._line import Line

__all__ = ["lines"]

_KINDS = {
    "tables for read_csv": ("bad_tables", 0.4),
    "words after a command": ("bad_options", 0.2),
    "heads of checkpoints": ("bad_heads", 0.4),
}
_TO_A_CHILD = 2500


def lines(number: int, seed: int) -> list[Line]:
    """Puts so many inputs together to three readers."""
    return [
        _line(kind, module, max(1, round(share * number)), seed)
        for kind, (module, share) in _KINDS.items()
    ]


def _line(kind: str, module: str, number: int, seed: int) -> Line:
    began = time.monotonic()
    first = seed * 10**9
    starts = range(first, first + number, _TO_A_CHILD)

    def told(start: int) -> list[dict[str, object]]:
        stop = min(start + _TO_A_CHILD, first + number)
        return list(in_children(f"benchmarks.faults.{module}", start, stop))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        cases = [one for part in pool.map(told, starts) for one in part]
    counts, wrong = Counter[str](), 0
    for one in cases:
        outcome = str(one.get("outcome", f"WRONG: process ended, {one}"))
        if outcome.startswith("WRONG"):
            print(f"{outcome} ({module}, case {one['case']})", flush=True)
            wrong += 1
        else:
            counts[outcome] += 1
    return Line(f"fuzz: {kind}", len(cases), counts, wrong, time.monotonic() - began)
