"""In which order an epoch takes the rows: drawn by key and epoch, as everywhere."""

import functools
from collections.abc import Callable
from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import Int, PRNGKeyArray

from funclearn.training import order_key, order_of

__all__ = ["Order", "order_by_shard", "order_of_all"]

Order: TypeAlias = Callable[[int, int], Int[np.ndarray, " rows"]]
"""`(start, stop)` -> the numbers of the rows at these places."""

_order_of = jax.jit(order_of, static_argnums=2)
_permutation = jax.jit(jax.random.permutation, static_argnums=1)


def order_of_all(key: PRNGKeyArray, epoch: int, n_rows: int) -> Order:
    """The order of `fit`, four bytes a row."""
    order = np.asarray(_order_of(key, epoch, n_rows))
    return lambda start, stop: order[start:stop]


def order_by_shard(
    key: PRNGKeyArray, epoch: int, lengths: Int[np.ndarray, " shards"]
) -> Order:
    """Shards in an order that is drawn, and within each its rows.

    Args:
        key: of the run.
        epoch: number of epochs before.
        lengths: how many rows the shards have.
    """
    key = order_key(key, epoch)
    drawn = np.asarray(_permutation(key, len(lengths)))
    ends = np.cumsum(lengths[drawn])
    firsts = np.cumsum(lengths) - lengths

    @functools.lru_cache(maxsize=2)
    def within(shard: int) -> Int[np.ndarray, " rows"]:
        order = _permutation(jax.random.fold_in(key, shard), int(lengths[shard]))
        return firsts[shard] + np.asarray(order)

    def rows(start: int, stop: int) -> Int[np.ndarray, " rows"]:
        parts = [np.empty(0, firsts.dtype)]
        for place in range(int(np.searchsorted(ends, start, "right")), len(ends)):
            first = ends[place] - lengths[drawn[place]]
            if first >= stop:
                break
            parts.append(
                within(int(drawn[place]))[max(0, start - first) : stop - first]
            )
        return np.concatenate(parts)

    return rows
