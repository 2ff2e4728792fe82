"""Seconds of steps and of collectives, each taken in processes of their own."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["Taken", "measured"]

_PINNED = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
_CODE = "from benchmarks.scaling import _child; _child.tell()"
_PATIENCE = 600


class Taken(NamedTuple):
    """Seconds, the medians.

    Attributes:
        steps: of a step, by the program and the rows of the batch.
        words: of an all-reduce, by its bytes.
    """

    steps: dict[tuple[str, int], float]
    words: dict[int, float]


def measured(
    steps: Sequence[tuple[str, int]],
    words: Sequence[int],
    *,
    devices: int = 1,
    processes: int = 1,
    pinned: bool = False,
) -> Taken:
    """Measures on host devices, in as many processes.

    Args:
        steps: programs and the rows of their batches.
        words: bytes of all-reduces; there are none on one device.
        devices: how many there are in a process.
        processes: how many there are.
        pinned: to one core, where the system can do that.

    Raises:
        RuntimeError: if a process fails.
    """
    asked = {"steps": steps, "words": words, "processes": processes}
    asked["coordinator"] = f"localhost:{_free_port()}"
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
    }
    pinned = pinned and hasattr(os, "sched_setaffinity")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _PINNED * pinned + _CODE, json.dumps(asked), str(n)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(processes)
    ]
    try:
        ended = [child.communicate(timeout=_PATIENCE) for child in started]
    finally:
        for child in started:
            child.kill()
    for child, (_, error) in zip(started, ended, strict=True):
        if child.returncode:
            last = " ".join(error.strip().splitlines()[-1:])
            raise RuntimeError(
                f"a process of {processes}, of {devices} devices each, ended with "
                f"{child.returncode}: {last}"
            )
    return _read(ended[0][0].splitlines()[-1])


def _read(line: str) -> Taken:
    told: Mapping[str, Any] = json.loads(line)
    steps = {(name, rows): seconds for name, rows, seconds in told["steps"]}
    return Taken(steps, dict(map(tuple, told["words"])))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]
