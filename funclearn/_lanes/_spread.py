"""Where lanes run, and where they are kept: devices, processes, a folder."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Int

from funclearn._lanes._device import Device
from funclearn._processes import from_all
from funclearn._words import described

__all__ = [
    "Results",
    "Spread",
    "agree",
    "check_unspread",
    "exchange",
    "spread_of",
]


class Results(NamedTuple):
    """What lanes return, as far as they are done.

    Attributes:
        arrays: the leaves, with an axis of lanes in front; threads write to them.
        done: which lanes are, written after their rows.
    """

    arrays: list[np.ndarray]
    done: Bool[np.ndarray, " lanes"]


class Spread(NamedTuple):
    """Where lanes run, and where they are kept.

    Attributes:
        devices: those of this process; None for the one that JAX takes by itself.
        processes: how many share the lanes.
        process: the number of this one among them.
        folder: where they are kept; None if they are not.
        one_each: of every process that shares the lanes a device, in their order.
    """

    devices: tuple[Device, ...] = (None,)
    processes: int = 1
    process: int = 0
    folder: Path | None = None
    one_each: tuple[Device, ...] = ()

    def within(self, name: str) -> "Spread":
        """The same, with a folder in its folder."""
        return self._replace(folder=self.folder and self.folder / name)

    def own(self, order: Int[np.ndarray, " left"], size: int) -> np.ndarray:
        """The lanes of this process, in whole blocks as long as there are any.

        Args:
            order: the numbers of all that are to be run.
            size: lanes of a block.
        """
        blocks = range(self.process * size, len(order), self.processes * size)
        return np.concatenate([order[:0], *(order[at : at + size] for at in blocks)])


def spread_of(mesh: object, folder: object) -> Spread | None:
    """Reads where lanes are to run and to be kept; None is where JAX runs all.

    Raises:
        TypeError: if `mesh` is no mesh or `folder` no path.
        ValueError: if some processes have devices in the mesh, and others have not.
    """
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder must be a path; got {described(folder)}.")
    place = None if folder is None else Path(os.fspath(folder))
    if mesh is None:
        return None if place is None else Spread(folder=place)
    if not isinstance(mesh, Mesh):
        raise TypeError(
            "mesh must be a mesh of devices, as funclearn.devices.mesh() makes; got "
            f"{described(mesh)}."
        )
    own = jax.process_index()
    one_each = {device.process_index: device for device in mesh.devices.flat}
    holders = sorted(one_each)
    if holders not in ([own], list(range(jax.process_count()))):
        raise ValueError(
            "mesh must have devices of this process alone or of all "
            f"{jax.process_count()}; it has some of the processes {holders}."
        )
    at = holders.index(own)
    sharing = tuple(one_each[one] for one in holders)
    return Spread(tuple(mesh.local_devices), len(holders), at, place, sharing)


def check_unspread(spread: Spread | None) -> None:
    """Refuses to spread lanes that are traced.

    Raises:
        ValueError: if they were to be.
    """
    if spread is not None:
        raise ValueError(
            "mesh and folder must be None under jax.jit and other transformations, "
            "where lanes are a part of what is transformed."
        )


def exchange(results: Results, spread: Spread) -> None:
    """Gives every process the lanes of all others.

    Raises:
        RuntimeError: if one of them was lost, or failed.
    """
    if spread.processes == 1:
        return
    with _lost(results, spread):
        everywhere = from_all(results.done, spread.one_each)
        owner = everywhere.argmax(0)
        numbers = [np.flatnonzero(owner == one) for one in range(spread.processes)]
        longest = max(map(len, numbers))
        mine = np.resize(numbers[spread.process], longest)
        for array in results.arrays:
            # As bytes, which no conversion changes.
            row = array.dtype.itemsize * array[0].size
            sent = array[mine].reshape(-1).view(np.uint8).reshape(longest, row)
            for rows, got in zip(numbers, from_all(sent, spread.one_each), strict=True):
                part = np.ascontiguousarray(got[: len(rows)]).view(array.dtype)
                array[rows] = part.reshape(len(rows), *array.shape[1:])
        results.done[:] = True


def agree(results: Results, spread: Spread) -> np.ndarray:
    """Which lanes any process has; the same answer in all of them."""
    if spread.processes == 1 or spread.folder is None:
        return results.done.copy()
    with _lost(results, spread):
        return np.any(from_all(results.done, spread.one_each), axis=0, keepdims=False)


@contextlib.contextmanager
def _lost(results: Results, spread: Spread) -> Iterator[None]:
    """Says of an exchange that failed what became of the lanes."""
    try:
        yield
    except Exception as error:
        kept = (
            "give it a folder to keep them"
            if spread.folder is None
            else "they are kept; begin again with the same folder for the others"
        )
        raise RuntimeError(
            f"one of {spread.processes} processes was lost, with its lanes; "
            f"{results.done.sum()} of {len(results.done)} are done in this one: {kept}."
        ) from error
