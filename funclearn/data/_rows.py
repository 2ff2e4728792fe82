"""How rows are taken from a data set."""

from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from funclearn._arrays import Arrays, as_arrays, is_known, is_narrowed, narrowed
from funclearn._types import Batch
from funclearn.data._padding import existing

__all__ = ["take"]

Rows: TypeAlias = Shaped[Array | np.ndarray, "..."] | slice
"""Numbers of rows, or a mask of them."""


def take(dataset: Batch, indices: Rows) -> Batch:
    """The rows of a data set at `indices`, in their order.

    Arrays of NumPy's whose dtype JAX would narrow stay NumPy's as they are, unless the
    indices are traced.
    """
    dataset = existing(as_arrays("dataset", dataset))
    if not is_known(indices):
        dataset = narrowed("dataset", dataset)
    return jax.tree.map(lambda leaf: _rows(leaf, indices), dataset)


def _rows(leaf: Arrays, indices: Rows) -> Arrays:
    if is_narrowed(leaf):
        return leaf[indices if isinstance(indices, slice) else np.asarray(indices)]
    leaf = jnp.asarray(leaf)
    layout = jax.typeof(leaf).sharding
    if not layout.mesh.explicit_axes:
        return leaf[indices]
    # On a mesh of explicit axes JAX asks how the result is laid out; the number of
    # rows taken need not be a multiple of that of devices.
    rows = np.arange(len(leaf))[indices] if is_known(indices) else indices
    whole = layout.update(spec=(None, *layout.spec[1:]))
    return leaf.at[rows].get(out_sharding=whole)
