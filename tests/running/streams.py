"""Data in files, and runs that are interrupted in the middle of an epoch."""

import itertools
import signal
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

import funclearn as fl
from funclearn.running import Interrupted, run

# Loops over less than a kilobyte XLA compiles as a whole, and rounds otherwise.
_INPUTS = np.linspace(-1.5, 1.5, 403, dtype=np.float32)
LONG = fl.Dataset(jnp.asarray(_INPUTS), jnp.asarray(2 * _INPUTS + np.sin(9 * _INPUTS)))


def mapped(folder, data):
    """The same data set, mapped from files."""
    folder.mkdir(exist_ok=True)
    for number, leaf in enumerate(data):
        np.save(folder / f"{number}.npy", np.asarray(leaf))
    names = [folder / f"{number}.npy" for number in range(len(data))]
    return fl.Dataset(*(np.load(name, mmap_mode="r") for name in names))


def write_shards(folder, data, lengths):
    """The same rows, in shards of these lengths."""
    folder.mkdir()
    for name, start, length in zip(
        "abcdef", np.cumsum([0, *lengths]), lengths, strict=False
    ):
        for field, leaf in zip(data._fields, data, strict=False):
            part = np.asarray(leaf)[start : start + length]
            np.save(folder / f"{field}-{name}.npy", part)
    return folder


class Stopping:
    """A display that sends SIGINT when it has been shown something so often."""

    def __init__(self, after):
        self.left, self.seen = after, []

    def show(self, seen):
        self.seen.append(seen)
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)

    def note(self, text):
        pass

    def close(self, text=None):
        pass


def with_interrupts(
    *arguments: Any, every: tuple[int, ...], folder: Path, **options: Any
) -> tuple[fl.Run, list[Any]]:
    """A run that is interrupted again and again; returns it and what was saved."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    saved = []
    try:
        turns = itertools.cycle(every)
        while True:
            kept = {"progress": Stopping(next(turns)), "folder": folder, "resume": True}
            try:
                return run(*arguments, **kept, **options), saved
            except Interrupted:
                saved.append(fl.checkpoints.latest(folder))
    finally:
        signal.signal(signal.SIGINT, handler)
