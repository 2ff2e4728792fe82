"""Local processes that run a script together."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import funclearn as fl


class Ended(NamedTuple):
    """A process that has ended: its status, what it printed, and when it was seen."""

    status: int
    out: str
    error: str
    time: float


def free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def started(*arguments):
    """Python in a process of its own, with one device."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(fl.__file__).parents[1],
        env=os.environ | {"PYTHONPATH": ".", "JAX_NUM_CPU_DEVICES": "1"},
    )


def pair(*scripts, timeout=120):
    """Runs two scripts, each given the same address and its number, to their ends."""
    address = free_address()
    workers = [started(one, address, number) for number, one in enumerate(scripts)]
    times = {}
    deadline = time.monotonic() + timeout
    try:
        while len(times) < 2 and time.monotonic() < deadline:
            for worker in workers:
                if worker not in times and worker.poll() is not None:
                    times[worker] = time.time()
            time.sleep(0.02)
        assert len(times) == 2, "a process did not end"
        return [
            Ended(worker.returncode, *worker.communicate(), times[worker])
            for worker in workers
        ]
    finally:
        for worker in workers:
            worker.kill()
