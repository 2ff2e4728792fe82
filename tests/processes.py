"""Local processes that run a script together."""

import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import NamedTuple

import funclearn as fl

_PROGRAM = """
import os, sys, traceback
import jax
address, n_processes, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
jax.distributed.initialize(
    address, n_processes, number, heartbeat_timeout_seconds=20
)
try:
{lines}
except BaseException:
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(75)  # an orderly end would wait for the other processes
print("done")
"""


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


def started(*arguments, devices=1):
    """Python in a process of its own, with so many devices."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(fl.__file__).parents[1],
        env=os.environ | {"PYTHONPATH": ".", "JAX_NUM_CPU_DEVICES": str(devices)},
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


def run_in_processes(lines, number=2):
    """Runs lines of Python in processes of two devices each, which must all end well.

    The number of a process is known to them as `number`.
    """
    program = _PROGRAM.format(lines=textwrap.indent(textwrap.dedent(lines), "    "))
    address = free_address()
    workers = [
        started("-c", program, address, number, one, devices=2) for one in range(number)
    ]
    try:
        ended = [worker.communicate(timeout=200) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    for worker, (out, error) in zip(workers, ended, strict=True):
        assert worker.returncode == 0 and out.endswith("done\n"), error
