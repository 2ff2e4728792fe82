"""Training and validation parts, folds and minibatches."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from funclearn._arrays import as_arrays, is_known, is_narrowed, narrowed
from funclearn._checks import (
    check_batch_size,
    check_key,
    integer_at_least,
    is_static_number,
    leading_length,
)
from funclearn._types import Batch, ScalarLike
from funclearn.data._dataset import as_dataset
from funclearn.data._padding import existing, row_count
from funclearn.data._rows import take

__all__ = ["batches", "folds", "split"]


def split(
    key: PRNGKeyArray, dataset: Batch, validation_fraction: float = 0.2
) -> tuple[Batch, Batch]:
    """Splits a data set at random into a training and a validation part.

    Args:
        key: draws the permutation of the rows.
        dataset: a pytree of arrays with one leading length n, on any devices; or of
            what `as_dataset` reads as such.
        validation_fraction: the part that validates, `int(fraction * n)` rows.

    Returns:
        The training and the validation part; together they hold every row once. Arrays
        of NumPy's whose dtype JAX would narrow stay NumPy's as they are, so that they
        can be standardised before they lose digits.

    Raises:
        TypeError: if the fraction is not a number known at trace time, or a leaf is
            not an array of numbers.
        ValueError: if it is not between 0 and 1, or a part would be empty.

    Example:
        >>> train, validation = fl.data.split(jax.random.key(0), jnp.arange(11))
        >>> print(train.size, validation.size)
        9 2
        >>> print(np.sort(np.concatenate([train, validation])))
        [ 0  1  2  3  4  5  6  7  8  9 10]
    """
    check_key("key", key)
    dataset = existing(as_arrays("dataset", dataset))
    n_rows = leading_length("dataset", dataset)
    if not is_static_number(validation_fraction):
        raise TypeError(
            "validation_fraction must be a number known at trace time; got "
            f"{validation_fraction!r}."
        )
    if not 0 < validation_fraction < 1:
        raise ValueError(
            f"validation_fraction must be between 0 and 1; got {validation_fraction}."
        )
    n_validation = int(validation_fraction * n_rows)
    if not 0 < n_validation < n_rows:
        raise ValueError(
            f"validation_fraction must leave rows on both sides; {validation_fraction} "
            f"of {n_rows} rows gives {n_validation} to validate with and "
            f"{n_rows - n_validation} to train on."
        )
    if _in_one_program(key, dataset):
        return _split(key, narrowed("dataset", dataset), n_validation)
    order = np.asarray(_order(key, n_rows))
    n_train = n_rows - n_validation
    return take(dataset, order[:n_train]), take(dataset, order[n_train:])


def _in_one_program(key: PRNGKeyArray, dataset: Batch) -> bool:
    """Whether one compiled program may take the rows: always where it is traced.

    Otherwise it would narrow NumPy's 64 bits, and not run on leaves that the user has
    put on different devices.
    """
    leaves = [key, *jax.tree.leaves(dataset)]
    if not is_known(leaves):
        return True
    arrays = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]
    places = {frozenset(array.devices()) for array in arrays if array.committed}
    return len(places) < 2 and not any(map(is_narrowed, leaves))


# Eager code compiles every operation by itself; as one it is ready sooner.
@functools.partial(jax.jit, static_argnames="n_validation", inline=True)
def _split(key: PRNGKeyArray, dataset: Batch, n_validation: int) -> tuple[Batch, Batch]:
    n_rows = leading_length("dataset", dataset)
    order = jax.random.permutation(key, n_rows)
    return (
        take(dataset, order[: n_rows - n_validation]),
        take(dataset, order[n_rows - n_validation :]),
    )


def folds(key: PRNGKeyArray, dataset: Batch, n_folds: int) -> Bool[Array, "folds n"]:
    """Deals the rows out at random to folds whose sizes differ by one at most.

    A mask has the same shape for folds of any size, so it can be mapped over; the
    rows that train are `~held_out`.

    Args:
        key: draws the order of the rows.
        dataset: a pytree of arrays with one leading length n.
        n_folds: number of folds, 2 to n.

    Returns:
        One mask a fold, true for the rows that it holds out, every row once in all.

    Raises:
        TypeError: if `n_folds` is not an integer known at trace time.
        ValueError: if `n_folds` is less than 2 or more than n.

    Example:
        >>> held_out = fl.data.folds(jax.random.key(0), jnp.arange(11), 3)
        >>> print(held_out.shape, held_out.sum(axis=1), held_out.sum())
        (3, 11) [4 4 3] 11
    """
    check_key("key", key)
    n_rows = row_count("dataset", as_arrays("dataset", dataset))
    n_folds = integer_at_least("n_folds", n_folds, 2)
    if n_folds > n_rows:
        raise ValueError(
            f"n_folds must be at most the number of rows, {n_rows}; got {n_folds}."
        )
    return _folds(key, n_rows, n_folds)


@functools.partial(jax.jit, static_argnames=("n_rows", "n_folds"), inline=True)
def _folds(key: PRNGKeyArray, n_rows: int, n_folds: int) -> Bool[Array, "folds n"]:
    fold = jax.random.permutation(key, jnp.arange(n_rows) % n_folds)
    return fold[None, :] == jnp.arange(n_folds)[:, None]


def batches(key: PRNGKeyArray, dataset: Batch, batch_size: int) -> Iterator[Batch]:
    """One epoch of minibatches: every row once, in an order drawn from the key.

    Args:
        key: draws the order.
        dataset: a pytree of arrays with one leading length n.
        batch_size: rows a batch, 1 to n; the last batch holds what is left.

    Returns:
        An iterator over `ceil(n / batch_size)` pytrees like `dataset`.

    Raises:
        TypeError: if `batch_size` is not an integer known at trace time.
        ValueError: if `batch_size` is less than 1 or more than n.
    """
    check_key("key", key)
    dataset = existing(as_dataset("dataset", dataset))
    n_rows = leading_length("dataset", dataset)
    batch_size = check_batch_size(batch_size, n_rows)
    order = _order(key, n_rows)
    if not _in_one_program(key, dataset):
        order = np.asarray(order)  # wherever a leaf is, it takes NumPy's numbers
        return (
            take(dataset, order[start : start + batch_size])
            for start in range(0, n_rows, batch_size)
        )
    return (
        _batch(dataset, order, start, min(batch_size, n_rows - start))
        for start in range(0, n_rows, batch_size)
    )


@functools.partial(jax.jit, static_argnames="n_rows", inline=True)
def _order(key: PRNGKeyArray, n_rows: int) -> Int[Array, " n"]:
    return jax.random.permutation(key, n_rows)


@functools.partial(jax.jit, static_argnames="size", inline=True)
def _batch(
    dataset: Batch, order: Int[Array, " n"], start: ScalarLike, size: int
) -> Batch:
    # Of a start that is an argument, batches of one size are one program.
    return take(dataset, jax.lax.dynamic_slice(order, (start,), (size,)))
