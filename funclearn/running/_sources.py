"""What training data are: arrays in memory, or a source of parts."""

from pathlib import Path
from typing import Any, cast

import jax
import numpy as np

from funclearn._arrays import as_array
from funclearn._checks import path_name
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
    return Rows(
        [jax.tree_util.tree_map_with_path(_mapped, train)], batch_size, drawn=False
    )


def _mapped(path: Any, leaf: Any) -> np.ndarray:
    """An array of NumPy's that is not read, or is in memory anyway."""
    name = path_name("train", path)
    if isinstance(leaf, np.memmap):
        as_array(name, leaf[:1])
        return np.asarray(leaf)
    return np.asarray(as_array(name, leaf))
