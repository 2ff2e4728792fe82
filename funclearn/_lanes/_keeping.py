"""Lanes that are kept in a folder, so that others may go on where some were left."""

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxlib.version import __version__ as JAXLIB

from funclearn import checkpoints
from funclearn._jaxprs import ClosedJaxpr, text_of
from funclearn._lanes._spread import Results, Spread
from funclearn._locks import lock

__all__ = ["Keeper", "keeping"]

_EVERY = 1.0  # seconds between two saves
_SHARE = 0.1  # of the time, at most, goes to saving


class Keeper:
    """Keeps what is done, about once a second."""

    def __init__(
        self, folder: Path, results: Results, config: dict[str, Any], index: int
    ) -> None:
        """Begins with nothing saved.

        Args:
            folder: where.
            results: what threads fill.
            config: what the lanes are; those of others are refused.
            index: the number of this process, which has a folder of its own in there.
        """
        self._folder, self._own = folder, folder / f"process-{index}"
        self._results, self._config = results, config
        self._saved = int(results.done.sum())
        self._next = time.monotonic() + _EVERY

    def restore(self) -> None:
        """Fills in what processes have kept.

        Raises:
            CheckpointError: if it is of other lanes.
        """
        for place in sorted(self._folder.glob("process-*")):
            saved = checkpoints.latest(place)
            if saved is None:
                continue
            like = {"done": self._results.done, "lanes": self._results.arrays}
            kept = checkpoints.restore(place, like, config=self._config)
            new = np.flatnonzero(kept["done"] & ~self._results.done)
            for array, rows in zip(self._results.arrays, kept["lanes"], strict=True):
                array[new] = rows[new]
            self._results.done[new] = True
            if place == self._own:
                # If it was killed before it did, there may be no more to save.
                checkpoints.prune(place, step=saved.step, keep=1)
        self._saved = int(self._results.done.sum())

    def look(self) -> None:
        """Saves, if there is something new and it is time."""
        if time.monotonic() >= self._next:
            self.save()

    def save(self) -> None:
        """Saves, if there is something new.

        Raises:
            OSError: if it cannot be written.
        """
        # Rows that a thread writes meanwhile are not yet told to be done.
        done = self._results.done.copy()
        count = int(done.sum())
        if count == self._saved:
            return
        began = time.monotonic()
        state = self._state(done)
        checkpoints.save(self._own, state, step=count, config=self._config, keep=1)
        self._saved, ended = count, time.monotonic()
        self._next = ended + max(_EVERY, (ended - began) / _SHARE)

    def _state(self, done: np.ndarray) -> dict[str, Any]:
        arrays = [array.copy() for array in self._results.arrays]
        for array in arrays:
            array[~done] = 0
        return {"done": done, "lanes": arrays}


@contextlib.contextmanager
def keeping(
    spread: Spread,
    results: Results,
    closed: ClosedJaxpr,
    inputs: list[np.ndarray],
    size: int,
) -> Iterator[Keeper | None]:
    """Keeps lanes in a folder, if there is one, and finds those that are there.

    Args:
        spread: tells where.
        results: what threads fill.
        closed: a single lane.
        inputs: what the lanes are given.
        size: lanes of a block.

    Yields:
        What keeps them; None without a folder. What is done in the end is saved,
        whatever ends it.

    Raises:
        CheckpointError: if the folder has other lanes.
        OSError: if it cannot be written to.
        RuntimeError: if another run writes to it.
    """
    folder, index = spread.folder, spread.process
    if folder is None:
        yield None
        return
    config = {
        "program": hashlib.sha256(text_of(closed).encode()).hexdigest(),
        "values": checkpoints.fingerprint([*inputs, *map(_known, closed.consts)]),
        "lanes": len(results.done),
        "block_size": size,
        "platform": jax.default_backend(),
        "jaxlib": JAXLIB,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"lock-{index}", "ab") as file:
        if not lock(file):
            raise RuntimeError(f"folder {folder} must be of one run; another is at it.")
        keeper = Keeper(folder, results, config, index)
        keeper.restore()
        try:
            yield keeper
        finally:
            keeper.save()


def _known(const: Any) -> Any:
    return const if hasattr(const, "dtype") else np.asarray(const)
