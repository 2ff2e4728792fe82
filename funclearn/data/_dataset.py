"""What a data set is."""

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from funclearn._types import Batch

__all__ = ["Dataset", "take"]

Rows: TypeAlias = Shaped[Array | np.ndarray, "..."] | slice
"""Numbers of rows, or a mask of them."""


class Dataset(NamedTuple):
    """Inputs and the targets that belong to them, row by row.

    Attributes:
        inputs: `(n, ...)`.
        targets: `(n, ...)`.
    """

    inputs: Shaped[Array, "n ..."]
    targets: Shaped[Array, "n ..."]


def take(dataset: Batch, indices: Rows) -> Batch:
    """The rows of a data set at `indices`, in their order."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[indices], dataset)
