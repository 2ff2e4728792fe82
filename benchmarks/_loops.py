"""The training loops by hand in C, compiled on the spot for this processor."""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Loops", "compiled_loops"]

_SOURCE = Path(__file__).with_name("loops.c")
_FLAGS = "-O3 -march=native -ffast-math -shared -fPIC".split()


class Loops:
    """What `loops.c` defines, for arrays of NumPy."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Takes the functions of a library."""
        self._library = library

    def line(self, data: Any, params: Any, epochs: int, rate: float) -> Any:
        """Fits a line; returns parameters and losses."""
        x, y = map(_floats, data)
        params, losses = _floats(params).copy(), np.empty(epochs, np.float32)
        self._call("line", x, y, len(x), params, losses, epochs, ctypes.c_float(rate))
        return params, losses

    def sweep(
        self, data: Any, params: Any, epochs: int, rates: Any, threads: int
    ) -> Any:
        """Fits a line for every rate; returns the final parameters."""
        x, y = map(_floats, data)
        rates = _floats(rates)
        weights, biases = (np.full_like(rates, param) for param in params)
        arrays = x, y, len(x), rates, weights, biases
        if self._call("sweep", *arrays, len(rates), epochs, threads):
            raise RuntimeError("sweep in C could not start its threads.")
        return weights, biases

    def wide_net(
        self, data: Any, params: Any, epochs: int, rate: float, *, libm: bool = False
    ) -> Any:
        """Fits 1-512-1; returns parameters and losses.

        Its tanh is an approximation to 1e-4, or that of the C library.
        """
        x, y = map(_floats, data)
        params = [_floats(leaf).copy() for leaf in params]
        losses = np.empty(epochs, np.float32)
        end = losses, epochs, ctypes.c_float(rate)
        name = "wide_net_libm" if libm else "wide_net"
        self._call(name, x, y, len(x), *params, *end)
        return params, losses

    def _call(self, name: str, *arguments: Any) -> int:
        pointer = ctypes.POINTER(ctypes.c_float)
        given = [
            one.ctypes.data_as(pointer) if isinstance(one, np.ndarray) else one
            for one in arguments
        ]
        return getattr(self._library, name)(*given)


def compiled_loops() -> Loops | None:
    """The loops; None where there is no C compiler."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "loops.so")
        command = [compiler, *_FLAGS, str(_SOURCE), "-o", str(made), "-lm", "-lpthread"]
        subprocess.run(command, check=True)
        return Loops(ctypes.CDLL(str(made)))


def _floats(array: Any) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32).ravel()
