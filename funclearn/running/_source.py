"""Data that come part by part, in blocks of batches.

What a source gives depends on key and epoch alone, and it can begin at any batch.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, PRNGKeyArray, PyTree

from funclearn._types import Batch
from funclearn.training import Rest

__all__ = ["BLOCK", "Block", "Source", "batches_at_once"]

BLOCK = 2**25  # bytes at a time: it takes some milliseconds to read them


class Block(NamedTuple):
    """Some batches of one shape.

    Attributes:
        chunk: their rows, in any order, and room for more.
        rows: `(batches, batch size)`, which rows of `chunk` make which batch.
        number: how many batches there are; the rest of `rows` is room.
    """

    chunk: Batch
    rows: Int[np.ndarray, "batches size"]
    number: int


@runtime_checkable
class Source(Protocol):
    """What batches come from.

    Attributes:
        batch_size: rows of a full batch; 1 where that is not known.
        weighed: whether it must be counted how much each batch is to count.
        n_batches: how many an epoch has; None where that is not known.
    """

    batch_size: int
    weighed: bool
    n_batches: int | None

    def identity(self) -> PyTree:
        """What tells it from other data, a pytree of arrays."""
        ...

    def parts(
        self, key: PRNGKeyArray, epoch: int, start: int, wanted: Callable[[], int]
    ) -> Iterator[Block | Rest]:
        """The batches of an epoch: blocks, and one rest after them.

        Args:
            key: of the run.
            epoch: number of epochs before.
            start: how many batches of it were made.
            wanted: how many the next block should have at most, asked for every one.
        """
        ...

    def example(self, key: PRNGKeyArray, epoch: int) -> tuple[Block | None, Rest]:
        """A block and a rest of the types that there will be."""
        ...


def batches_at_once(n_bytes: int) -> int:
    """How many batches of a size to take at once."""
    return max(1, BLOCK // max(1, n_bytes))
