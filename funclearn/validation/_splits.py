"""Splits are masks over the rows, true for those that are held out."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray

from funclearn import data
from funclearn._checks import check_key, integer_at_least
from funclearn._types import Batch

__all__ = ["hold_out", "leave_one_out"]


def leave_one_out(dataset: Batch) -> Bool[Array, "n n"]:
    """One split a row, which it alone is held out from.

    Args:
        dataset: a pytree of arrays with one leading length n.
    """
    return jnp.eye(data.row_count("dataset", dataset), dtype=bool)


def hold_out(
    key: PRNGKeyArray, dataset: Batch, n_splits: int, validation_fraction: float = 0.2
) -> Bool[Array, "splits n"]:
    """Random splits, each that of `data.split` with a key of its own.

    Args:
        key: split into one key a split.
        dataset: a pytree of arrays with one leading length n.
        n_splits: number of splits.
        validation_fraction: the part that is held out, `int(fraction * n)` rows.

    Raises:
        TypeError: if a number is not known at trace time.
        ValueError: if `n_splits` is less than 1, or a part would be empty.
    """
    check_key("key", key)
    n_rows = data.row_count("dataset", dataset)
    n_splits = integer_at_least("n_splits", n_splits, 1)

    def mask(key: PRNGKeyArray) -> Bool[Array, " n"]:
        _, rows = data.split(key, jnp.arange(n_rows), validation_fraction)
        return jnp.zeros(n_rows, bool).at[rows].set(True)

    return jax.vmap(mask)(jax.random.split(key, n_splits))
