"""Rows out of arrays of NumPy's that need not fit in memory."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, PyTree

from funclearn._arrays import as_arrays, narrowed
from funclearn.running._source import batches_at_once

__all__ = ["aligned", "check_digits", "gather", "sample", "types_of"]

_ALIGNMENT = 64  # bytes; `jax.device_put` takes arrays that lie so without a copy
_SAMPLE = 2**26  # bytes of data that are compared when a run is gone on with
_JUDGED = 1024  # rows by which digits are judged; a disk may take its time for each


def gather(
    shards: Sequence[PyTree],
    ends: Int[np.ndarray, " shards"],
    rows: Int[np.ndarray, " rows"],
    length: int,
) -> PyTree:
    """Reads some rows, in rising order.

    Args:
        shards: pytrees of arrays of NumPy's, one after the other.
        ends: the number of rows up to the end of each.
        rows: numbers of rows, rising, counted through all shards.
        length: how many rows to make room for; those beyond hold anything.

    Returns:
        A pytree of arrays of that length on the device, of dtypes that JAX has.
    """
    firsts = np.concatenate([[0], ends[:-1]])
    cuts = np.searchsorted(rows, [*firsts, ends[-1]])
    pieces = [
        (number, slice(*cuts[number : number + 2]))
        for number in np.flatnonzero(np.diff(cuts))
    ]

    def read(*leaves: np.ndarray) -> np.ndarray:
        out = aligned((length, *leaves[0].shape[1:]), leaves[0].dtype)
        for number, piece in pieces:
            # Clipping changes nothing here; NumPy would copy once more to refuse.
            np.take(
                leaves[number],
                rows[piece] - firsts[number],
                axis=0,
                out=out[piece],
                mode="clip",
            )
        return out

    return jax.device_put(_of_jax(jax.tree.map(read, *shards), len(rows)))


def sample(shards: Sequence[PyTree]) -> PyTree:
    """Rows to tell data by: all, or evenly spread ones where that would take long."""

    def some(*leaves: np.ndarray) -> list[np.ndarray]:
        n_rows = sum(map(len, leaves))
        most = max(1, _SAMPLE // max(1, leaves[0].nbytes // len(leaves[0])))
        step = -(-n_rows // most)
        return [np.asarray(leaf)[::step] for leaf in leaves]

    return jax.tree.map(some, *shards)


def check_digits(shards: Sequence[PyTree]) -> None:
    """Warns of digits that JAX's dtypes lose, by evenly spread rows."""

    def some(*leaves: np.ndarray) -> np.ndarray:
        row = leaves[0].nbytes // len(leaves[0])
        step = -(-sum(map(len, leaves)) // min(_JUDGED, batches_at_once(row)))
        return np.concatenate([leaf[::step] for leaf in leaves])

    narrowed("train", as_arrays("train", jax.tree.map(some, *shards)))


def types_of(shards: Sequence[PyTree], length: int) -> PyTree:
    """The types of what `gather` returns, without reading a row."""

    def one(leaf: np.ndarray) -> np.ndarray:
        return np.zeros((1, *leaf.shape[1:]), leaf.dtype)

    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((length, *leaf.shape[1:]), leaf.dtype),
        _of_jax(jax.tree.map(one, shards[0]), 1),
    )


def _of_jax(data: PyTree, number: int) -> PyTree:
    """The same rows in dtypes that JAX has, of which the first ones count."""

    def fitted(whole: np.ndarray, part: Any) -> Any:
        if part.dtype == whole.dtype:
            return whole
        out = aligned(whole.shape, part.dtype)
        out[:number] = part
        return out

    first = jax.tree.map(lambda leaf: leaf[:number], data)
    read = narrowed("train", as_arrays("train", first), whole=False)
    return jax.tree.map(fitted, data, read)


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array that holds anything, and need not be copied to be JAX's."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
