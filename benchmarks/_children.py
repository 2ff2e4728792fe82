"""Cases in child processes: one that ends its process, or never ends, ends no other."""

import faulthandler
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["in_children", "tell"]

_STUCK = 600
"""Seconds that a case may take; its child is ended then."""


def tell(case: Callable[[int], Mapping[str, Any]], start: int, stop: int) -> None:
    """In a child: says before each case which, and after it what came of it."""
    for number in range(start, stop):
        faulthandler.dump_traceback_later(_STUCK, exit=True)
        print(json.dumps({"begins": number}), flush=True)
        print(json.dumps({"case": number, **case(number)}), flush=True)
    faulthandler.cancel_dump_traceback_later()


def in_children(
    module: str, start: int, stop: int, **environment: str
) -> Iterator[dict[str, Any]]:
    """Carries out cases in a child; those after one that ended it in another child.

    Args:
        module: its `child(start, stop)` calls `tell`.
        start: the first case.
        stop: the first case after the last.
        **environment: what to set for the children besides.

    Yields:
        For each case what `tell` was given for it; `{"case": ..., "died": status}` for
        those that ended their child, 1 after an exception.
    """
    while start < stop:
        code = f"import {module}; {module}.child({start}, {stop})"
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [json.loads(line) for line in ran.stdout.splitlines()]
        yield from (line for line in lines if "case" in line)
        if ran.returncode == 0:
            return
        last = lines[-1]["begins"] if lines and "begins" in lines[-1] else start
        last_words = ran.stderr.strip().splitlines()[-1:]
        yield {"case": last, "died": ran.returncode, "said": " ".join(last_words)}
        start = last + 1
