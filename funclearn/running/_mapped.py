"""Rows that lie in arrays of NumPy's, which need not fit in memory."""

from collections.abc import Callable, Iterator

import jax
import numpy as np
from jaxtyping import Int, PRNGKeyArray, PyTree

from funclearn._checks import check_batch_size, leading_length
from funclearn._types import Batch
from funclearn._weights import weights_of
from funclearn.running._gathering import check_digits, gather, sample, types_of
from funclearn.running._orders import Order, order_by_shard, order_of_all
from funclearn.running._source import Block, batches_at_once
from funclearn.training import Rest

__all__ = ["Rows"]


class Rows:
    """Rows in one array, or in shards, that need not fit in memory."""

    def __init__(self, shards: list[PyTree], batch_size: int, *, drawn: bool) -> None:
        """Takes pytrees of arrays of NumPy's, of the same types.

        Args:
            shards: the rows.
            batch_size: rows a step.
            drawn: whether the order of the shards is drawn, and then that within each;
                otherwise that of all rows, as `fit` draws it.
        """
        self._shards, self._drawn = shards, drawn
        self._lengths = np.array([leading_length("train", one) for one in shards])
        check_digits(shards)
        self._ends = np.cumsum(self._lengths)
        self._n_rows = int(self._ends[-1])
        self.batch_size = check_batch_size(batch_size, self._n_rows)
        n_full, self._n_left = divmod(self._n_rows, self.batch_size)
        # A loop of one batch is none: XLA rounds as it would without.
        self._n_looped = n_full if n_full > 1 else 0
        self.n_batches: int | None = n_full + (self._n_left > 0)
        self.weighed = weights_of(shards[0]) is not None
        row = sum(leaf.nbytes // len(leaf) for leaf in jax.tree.leaves(shards[0]))
        self._longest = min(
            batches_at_once(row * self.batch_size), max(1, self._n_looped)
        )

    def identity(self) -> PyTree:
        """What tells the rows from others; reads some of them."""
        return sample(self._shards)

    def parts(
        self, key: PRNGKeyArray, epoch: int, start: int, wanted: Callable[[], int]
    ) -> Iterator[Block | Rest]:
        """The batches of an epoch, in an order that is drawn."""
        size, end = self.batch_size, self._n_looped
        order = self._order(key, epoch)
        while start < end:
            number = max(1, min(wanted(), self._longest, end - start))
            rows = order(start * size, (start + number) * size)
            chunk, places = self._read(rows, self._longest * size)
            yield Block(chunk, places.reshape(-1, size), number)
            start += number
        yield self._rest(order(end * size, self._n_rows))

    def example(self, key: PRNGKeyArray, epoch: int) -> tuple[Block | None, Rest]:
        """A block and a rest of the types that there will be."""
        n_looped, size = self._longest * self.batch_size, self.batch_size
        block = None
        if self._n_looped:
            rows = np.zeros((self._longest, size), np.int32)
            block = Block(types_of(self._shards, n_looped), rows, 0)
        n_rest = self._n_rows - self._n_looped * size
        return block, self._rest(np.arange(n_rest))

    def _order(self, key: PRNGKeyArray, epoch: int) -> Order:
        if self._drawn:
            return order_by_shard(key, epoch, self._lengths)
        return order_of_all(key, epoch, self._n_rows)

    def _rest(self, rows: Int[np.ndarray, " rows"]) -> Rest:
        if not len(rows):
            return Rest()
        # XLA rounds by how large that is out of which the rows are taken.
        room = max(len(rows) + 1, self._longest * self.batch_size)
        chunk, places = self._read(rows, room)
        places = places[: len(rows)]
        if self._n_looped:
            return Rest(chunk, None, places)
        left = places[self.batch_size :] if self._n_left else None
        return Rest(chunk, places[None, : self.batch_size], left)

    def _read(
        self, rows: Int[np.ndarray, " rows"], length: int
    ) -> tuple[Batch, Int[np.ndarray, " length"]]:
        """Rows with room for more, and where each of them is."""
        # Rising, as disks like it; the device takes them in the order drawn.
        sort = np.argsort(rows)
        places = np.zeros(length, np.int32)
        places[sort] = np.arange(len(rows), dtype=np.int32)
        return gather(self._shards, self._ends, rows[sort], length), places
