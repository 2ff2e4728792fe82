"""Programs that run in several processes of this machine."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import funclearn as fl

_PROGRAM = """
import os, sys, traceback
import jax
jax.config.update("jax_num_cpu_devices", 2)
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


def run_in_processes(lines, number=2):
    """Runs lines of Python in processes of two devices each, which must all end well.

    Returns:
        What each of them printed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    program = _PROGRAM.format(lines=textwrap.indent(textwrap.dedent(lines), "    "))
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program, address, str(number), str(one)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(fl.__file__).parents[1],
            env=os.environ | {"PYTHONPATH": "."},
        )
        for one in range(number)
    ]
    try:
        ended = [worker.communicate(timeout=200) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    for worker, (out, error) in zip(workers, ended, strict=True):
        assert worker.returncode == 0 and out.endswith("done\n"), error
    return [out for out, _ in ended]
