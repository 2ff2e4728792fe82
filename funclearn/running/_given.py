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
from funclearn._words import described
from funclearn.running._gathering import aligned
from funclearn.running._source import Block, batches_at_once
from funclearn.training import Rest, order_key

__all__ = ["Batches", "Function"]

Batches: TypeAlias = Callable[[PRNGKeyArray, int], Iterable[Batch]]
"""`(key, epoch) -> batches`, pure."""


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
        while held is not None:
            together, most = [held], min(max(1, wanted()), _room(held))
            held = next(batches, None)
            while held is not None and len(together) < most and _alike(held, together):
                together.append(held)
                held = next(batches, None)
            yield _joined(together)
        yield Rest()

    def example(self, key: PRNGKeyArray, epoch: int) -> tuple[Block | None, Rest]:
        """A block of the types of the first batch."""
        return _joined([next(self._given(key, epoch))]), Rest()

    def _given(self, key: PRNGKeyArray, epoch: int) -> Iterator[Batch]:
        given = self._batches(order_key(key, epoch), epoch)
        if not isinstance(given, Iterable):
            raise TypeError(
                "train, a function, must return batches one after the other, as a "
                f"generator does; got {described(given)}."
            )
        number = -1
        for number, batch in enumerate(given):
            name = f"train(key, {epoch})[{number}]"
            batch = jax.tree.map(np.asarray, narrowed(name, as_arrays(name, batch)))
            leading_length(name, batch)
            yield batch
        if number < 0:
            raise ValueError(
                f"train(key, {epoch}) must give at least one batch; it gave none."
            )


def _room(batch: Batch) -> int:
    return batches_at_once(sum(leaf.nbytes for leaf in jax.tree.leaves(batch)))


def _alike(batch: Batch, others: list[Batch]) -> bool:
    def kinds(tree: Batch) -> list[Any]:
        return [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]

    same = jax.tree.structure(batch) == jax.tree.structure(others[0])
    return same and kinds(batch) == kinds(others[0])


def _joined(batches: list[Batch]) -> Block:
    """A block of batches, with room for as many as there may be."""
    room = _room(batches[0])

    def join(*leaves: np.ndarray) -> np.ndarray:
        first = leaves[0]
        out = aligned((room * len(first), *first.shape[1:]), first.dtype)
        np.concatenate(leaves, out=out[: len(leaves) * len(first)])
        return out

    rows = np.arange(room * leading_length("train", batches[0]), dtype=np.int32)
    chunk = jax.device_put(jax.tree.map(join, *batches))
    return Block(chunk, rows.reshape(room, -1), len(batches))
