"""The rows of a history in the memory of the host and in a file, to the bit.

The file holds row after row, each the bytes of its leaves one after the other. It grows
while the run does; how many rows count and their checksum stand in the checkpoints.
What a kill left beyond them is cut off.
"""

import hashlib
import math
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn.objectives import loss_of
from funclearn.training import History as Rows
from funclearn.training import blank_rows

__all__ = ["History", "losses_of"]


class History:
    """Rows that come in chunks.

    Attributes:
        number: how many there are.
    """

    def __init__(
        self, row: PyTree, path: Path | None = None, *, writes: bool = True
    ) -> None:
        """Begins without rows.

        Args:
            row: the types of a row's leaves.
            path: the file; None keeps the rows in memory alone.
            writes: whether the file is this process's to write; else it is read alone.
        """
        self._row, self._path = row, path
        self._writes = writes and path is not None
        self._leaves, self._structure = jax.tree.flatten(row)
        self._size = sum(map(_n_bytes, self._leaves))
        self._parts: list[list[np.ndarray]] = []
        self._unwritten: list[np.ndarray] = []
        self._hash, self._n_written = hashlib.sha256(), 0
        self.number = 0

    def append(self, rows: PyTree, number: int) -> PyTree:
        """Takes the first rows of a chunk; returns them as arrays of NumPy."""
        # Copies, since a part of an array would keep all of it.
        leaves = [np.array(leaf[:number]) for leaf in jax.tree.leaves(rows)]
        self._parts.append(leaves)
        if self._writes:
            self._unwritten.append(_as_bytes(leaves, number))
        self.number += number
        return jax.tree.unflatten(self._structure, leaves)

    def unwritten(self) -> list[np.ndarray]:
        """What the file lacks; `write` is to be called with it."""
        rows, self._unwritten = self._unwritten, []
        return rows

    def write(self, rows: list[np.ndarray]) -> dict[str, Any]:
        """Writes rows to the disk.

        Returns:
            How many the file holds, and their checksum: what `load` is given.
        """
        if self._path is not None and self._writes:
            with self._path.open("ab") as file:
                # Beyond may be what an attempt left that failed.
                file.truncate(self._n_written * self._size)
                for part in rows:
                    self._hash.update(part.data)
                    file.write(part.data)
                file.flush()
                os.fsync(file.fileno())
        self._n_written += sum(len(part) for part in rows)
        return {"rows": self._n_written, "sha256": self._hash.hexdigest()}

    def load(self, mark: dict[str, Any]) -> bool:
        """Reads the rows that a checkpoint counted on, and cuts off what is beyond.

        Returns:
            Whether the file holds them; otherwise nothing is read, and nothing cut.
        """
        path, number = self._path, int(mark["rows"])
        if path is None or number == 0:
            return True
        needed = number * self._size
        try:
            with path.open("rb") as file:
                content = file.read(needed)
        except FileNotFoundError:
            content = b""
        checksum = hashlib.sha256(content)
        if len(content) < needed or checksum.hexdigest() != mark["sha256"]:
            return False
        if self._writes and path.exists():
            os.truncate(path, needed)
        table = np.frombuffer(content, np.uint8).reshape(number, self._size)
        ends = np.cumsum(list(map(_n_bytes, self._leaves)))
        columns = np.split(table, ends[:-1], axis=1) if self._leaves else []
        self._parts = [list(map(_from_bytes, columns, self._leaves))]
        self._hash, self.number, self._n_written = checksum, number, number
        return True

    def read(self, start: int, stop: int) -> PyTree:
        """Some rows, as arrays of NumPy."""
        leaves = [column[start:stop] for column in self._columns()]
        return jax.tree.unflatten(self._structure, leaves)

    def joined(self, epochs: int) -> PyTree:
        """All rows as arrays of JAX, and missing ones up to a number of epochs."""
        leaves = map(jnp.asarray, self._columns())
        rows = jax.tree.unflatten(self._structure, list(leaves))
        if self.number == epochs:
            return rows
        blank = blank_rows(self._row, epochs - self.number)
        return jax.tree.map(lambda *parts: jnp.concatenate(parts), rows, blank)

    def _columns(self) -> list[np.ndarray]:
        """Joins the chunks, and keeps them joined."""
        if not self._parts:
            return [np.empty((0, *leaf.shape), leaf.dtype) for leaf in self._leaves]
        joined = [np.concatenate(parts) for parts in zip(*self._parts, strict=True)]
        self._parts = [joined]
        return joined


def _as_bytes(leaves: list[np.ndarray], number: int) -> np.ndarray:
    columns = [
        np.ascontiguousarray(leaf).view(np.uint8).reshape(number, -1)
        for leaf in (leaf.reshape(number, math.prod(leaf.shape[1:])) for leaf in leaves)
        if leaf.size
    ]
    if not columns:
        return np.empty((number, 0), np.uint8)
    return np.ascontiguousarray(np.concatenate(columns, axis=1))


def _from_bytes(column: np.ndarray, leaf: Any) -> np.ndarray:
    rows = np.ascontiguousarray(column).reshape(-1).view(np.dtype(leaf.dtype))
    return rows.reshape(len(column), *leaf.shape)


def _n_bytes(leaf: Any) -> int:
    return math.prod(leaf.shape) * leaf.dtype.itemsize


def losses_of(rows: PyTree) -> tuple[float | None, float | None]:
    """Training and validation loss of the last row, where there are."""
    if not isinstance(rows, Rows) or not len(rows.loss):
        return None, None
    last: Any = jax.tree.map(lambda leaf: leaf[-1], rows)
    validation = loss_of(last.evaluation)
    return float(last.loss), None if validation is None else float(validation)
