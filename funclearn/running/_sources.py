"""What training data are: arrays in memory, or a source of parts."""

from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._arrays import as_arrays
from funclearn._weights import check_weights
from funclearn.running._given import Batches, Function
from funclearn.running._mapped import Rows
from funclearn.running._shards import open_shards
from funclearn.running._source import BLOCK, Source

__all__ = ["as_source"]


def as_source(train: object, batch_size: int | None) -> Source | None:
    """The source that training data are; None of arrays that memory is to hold.

    Raises:
        TypeError, ValueError: as `run` does.
    """
    if callable(train) and jax.tree_util.all_leaves([train]):
        if batch_size is not None:
            raise ValueError(
                "batch_size must be None where train is a function, which makes the "
                f"batches; got {batch_size}."
            )
        return Function(cast(Batches, train))
    if isinstance(train, str | Path):
        if batch_size is None:
            raise ValueError("batch_size must be given where train is a folder.")
        return Rows(open_shards(Path(train)), batch_size, drawn=True)
    leaves = jax.tree.leaves(train)
    mapped = [leaf for leaf in leaves if isinstance(leaf, np.memmap)]
    if batch_size is None or sum(leaf.nbytes for leaf in mapped) <= BLOCK:
        return None
    check_weights("train", train)
    return Rows([_unread(train)], batch_size, drawn=False)


def _unread(train: object) -> PyTree:
    """Arrays of NumPy's, those of files as they lie there."""

    def first(leaf: Any) -> Any:
        return np.atleast_1d(leaf)[:1] if isinstance(leaf, np.memmap) else leaf

    def chosen(read: Any, given: Any) -> np.ndarray:
        return np.asarray(given if isinstance(given, np.memmap) else read)

    # Lists are arrays here, and not trees.
    return jax.tree.map(chosen, as_arrays("train", jax.tree.map(first, train)), train)
