"""Batches that a function of the user's gives."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from funclearn._arrays import as_arrays, narrowed
from funclearn._checks import leading_length
from funclearn._types import Batch
from funclearn._weights import check_weights
from funclearn._words import described
from funclearn.running._gathering import aligned
from funclearn.running._source import Block, batches_at_once
from funclearn.training import Rest, order_key

__all__ = ["Batches", "Function"]

Batches: TypeAlias = Callable[[PRNGKeyArray, int], Iterable[Batch]]
"""`(key, epoch) -> batches`, pure."""

_MOST = 4096  # batches in a block, since their losses take memory too


class Function:
    """Batches that a function of key and epoch gives."""

    batch_size = 1
    weighed = True
    n_batches: int | None = None

    def __init__(self, batches: Batches) -> None:
        """Takes it; nothing is called yet."""
        self._batches = batches

    def identity(self) -> PyTree:
        """Nothing tells one function from another."""
        return None

    def parts(
        self, key: PRNGKeyArray, epoch: int, start: int, wanted: Callable[[], int]
    ) -> Iterator[Block | Rest]:
        """The batches of an epoch, those of one type together."""
        batches = itertools.islice(self._given(key, epoch), start, None)
        held = next(batches, None)
        if held is None:
            raise ValueError(
                f"train(key, {epoch}) must give the same batches at every call; it "
                f"gave more than {start} before, and no more than that now."
            )
        while held is not None:
            block, held = _filled(held, batches, wanted())
            yield block
            if held is None:
                held = next(batches, None)
        yield Rest()

    def example(self, key: PRNGKeyArray, epoch: int) -> tuple[Block | None, Rest]:
        """A block of the types of the first batch."""
        first = next(self._given(key, epoch, judged=True))
        return _filled(first, iter(()), 1)[0], Rest()

    def _given(
        self, key: PRNGKeyArray, epoch: int, *, judged: bool = False
    ) -> Iterator[Batch]:
        # Judged by one batch alone is whether dtypes that JAX has lose digits.
        given = self._batches(order_key(key, epoch), epoch)
        if not isinstance(given, Iterable):
            raise TypeError(
                "train, a function, must return batches one after the other, as a "
                f"generator does; got {described(given)}."
            )
        number = -1
        for number, batch in enumerate(given):
            name = f"train(key, {epoch})[{number}]"
            batch = narrowed(name, as_arrays(name, batch), whole=judged)
            batch = jax.tree.map(np.asarray, batch)
            leading_length(name, batch)
            check_weights(name, batch, padding=True)
            yield batch
        if number < 0:
            raise ValueError(
                f"train(key, {epoch}) must give at least one batch; it gave none."
            )


def _room(batch: Batch) -> int:
    n_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(batch))
    return min(batches_at_once(n_bytes), _MOST)


def _alike(batch: Batch, other: Batch) -> bool:
    def kinds(tree: Batch) -> list[Any]:
        return [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]

    same = jax.tree.structure(batch) == jax.tree.structure(other)
    return same and kinds(batch) == kinds(other)


def _filled(
    first: Batch, following: Iterator[Batch], wanted: int
) -> tuple[Block, Batch | None]:
    """A block of batches, with room for as many as there may be.

    Args:
        first: the first one.
        following: those after it.
        wanted: how many to take at most.

    Returns:
        The block, and a batch that was taken and is of another type.
    """
    room, length = _room(first), leading_length("train", first)
    held: Batch | None = first
    number, most = 0, max(1, min(wanted, room))
    out = jax.tree.map(
        lambda leaf: aligned((room * length, *leaf.shape[1:]), leaf.dtype), first
    )
    while held is not None and _alike(held, first):
        # Copied before the next is asked for, which may come in the same memory.
        for whole, leaf in zip(*map(jax.tree.leaves, (out, held)), strict=True):
            whole[number * length : (number + 1) * length] = leaf
        number += 1
        held = next(following, None) if number < most else None
    rows = np.arange(room * length, dtype=np.int32).reshape(room, length)
    return Block(jax.device_put(out), rows, number), held
