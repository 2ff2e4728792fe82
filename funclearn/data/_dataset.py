"""What a data set is, how it is read, and how rows are taken from it."""

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from funclearn._arrays import Arrays, as_arrays, is_known, is_narrowed, narrowed
from funclearn._types import Batch

__all__ = ["Dataset", "as_dataset", "take"]

Rows: TypeAlias = Shaped[Array | np.ndarray, "..."] | slice
"""Numbers of rows, or a mask of them."""


class Dataset(NamedTuple):
    """Inputs and the targets that belong to them, row by row.

    Whatever takes a data set takes frames, series and lists of numbers as well.

    Attributes:
        inputs: `(n, ...)`.
        targets: `(n, ...)`.
    """

    inputs: Shaped[Array | np.ndarray, "n ..."]
    targets: Shaped[Array | np.ndarray, "n ..."]


def as_dataset(name: str, data: Batch) -> Batch:
    """Reads data as the arrays that JAX computes with.

    Args:
        name: the argument to name in messages.
        data: a `Dataset`, or any other pytree, of arrays, of frames and series (the
            columns of a frame are the columns of an array), of tensors that NumPy can
            read, or of lists of numbers. Lengths are not compared.

    Returns:
        The same pytree, of arrays whose dtypes JAX has; itself where it is that.

    Raises:
        TypeError: if a leaf is not an array of numbers.
        ValueError: if a value is beyond the range of the dtype that JAX has for it, or
            a masked array hides values.

    Warns:
        UserWarning: where inputs lose digits that tell the rows apart.

    Example:
        >>> train = fl.data.as_dataset("train", fl.Dataset([1.0, 2.0], [3, 4]))
        >>> print(train.inputs.dtype, train.targets.dtype)
        float32 int32
    """
    if all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(data)):
        return data  # at once, as nearly always: a fit takes no longer than this
    return narrowed(name, as_arrays(name, data))


def take(dataset: Batch, indices: Rows) -> Batch:
    """The rows of a data set at `indices`, in their order.

    Arrays of NumPy's whose dtype JAX would narrow stay NumPy's as they are, unless the
    indices are traced.
    """
    dataset = as_arrays("dataset", dataset)
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
