"""What runs in processes of its own: PyTorch, and what starts from nothing."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["TORCH", "Torch", "beyond", "started", "tell_peak"]

TORCH = os.environ.get("FUNCLEARN_TORCH", sys.executable)
"""The interpreter that has PyTorch."""


class Torch:
    """PyTorch's programs, in a child that lives until the block ends."""

    def __enter__(self) -> "Torch":
        """Starts the child."""
        self._child = subprocess.Popen(
            [TORCH, "-m", "benchmarks._torch_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        self._child.communicate()

    def way(self, program: str) -> Callable[[], float]:
        """How a program is timed; NaN without PyTorch."""

        def seconds() -> float:
            stdin, stdout = self._child.stdin, self._child.stdout
            if self._child.poll() is not None or stdin is None or stdout is None:
                return float("nan")
            print(program, file=stdin, flush=True)
            return float(stdout.readline() or "nan")

        return seconds


def started(python: str, code: str) -> Callable[[], float]:
    """How a new process is timed; NaN if it fails."""

    def seconds() -> float:
        begun = time.perf_counter()
        child = subprocess.run([python, "-c", code], check=False, capture_output=True)
        taken = time.perf_counter() - begun
        return float("nan") if child.returncode else taken

    return seconds


def peak() -> float:
    """MiB that this process held at most so far.

    As the kernel counts them from when the program began; what `resource` tells of a
    child is no less than what its parent held.
    """
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if "VmHWM" in line) / 1024


def beyond(python: str, module: str, program: str) -> float | None:
    """MiB that a program takes beyond the imports, in a process of its own.

    Args:
        python: the interpreter.
        module: which runs the program that its argument names, and prints the MiB.
        program: the name.
    """
    command = [python, "-m", module, program]
    child = subprocess.run(command, check=False, capture_output=True, text=True)
    return float(child.stdout) if child.returncode == 0 and child.stdout else None


def tell_peak(make: Callable[[], Callable[[], Any]]) -> None:
    """Prints the MiB that making and running something takes."""
    before = peak()
    make()()
    print(peak() - before)
