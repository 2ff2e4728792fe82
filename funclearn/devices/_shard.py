"""Data whose rows are dealt out to devices.

Rows that the devices do not divide are made up with copies of the last one, which weigh
nothing:

    mean = Σ w_i v_i / Σ w_i,    w_i = 0 for i > n
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from funclearn._arrays import Arrays
from funclearn._checks import leading_length
from funclearn._types import Batch
from funclearn._words import described
from funclearn.data import Dataset, Padded, as_dataset, existing
from funclearn.devices._mesh import check_mesh
from funclearn.devices._placing import can_move, made_of_parts

__all__ = ["shard"]


def shard(dataset: Batch, mesh: Mesh) -> Batch:
    """A data set whose rows are dealt out to the devices of a mesh, as many to each.

    A data set whose rows the devices do not divide gets more: copies of its last row,
    of weight 0. Its losses and metrics are those of the rows that exist; an objective
    of your own has to heed `batch.weights`, as it does of any data with weights. What a
    model notes of a batch, as batch normalisation does, counts the copies. Minibatches
    hold rows that exist alone, in the order in which one device draws them.

    Args:
        dataset: a pytree of arrays with one leading length n, of whatever
            `funclearn.data.as_dataset` reads; of several processes each must give the
            same.
        mesh: the devices, as `mesh` makes it.

    Returns:
        The same pytree, of arrays over the mesh's axis; a `funclearn.data.Padded` if
        rows were added.

    Raises:
        TypeError: if a leaf is not an array of numbers, or `mesh` no mesh.
        ValueError: if the leaves have unequal lengths or no rows; the devices do not
            divide the rows, and there are no weights to mark others by, since it is no
            `Dataset`; or the mesh has more axes than one, or one not of type Auto.

    Example:
        >>> mesh = fl.devices.mesh()
        >>> train = fl.devices.shard(fl.data.thermometer(), mesh)
        >>> print(train.inputs.sharding.spec, fl.data.row_count("train", train))
        PartitionSpec('data',) 11
    """
    check_mesh(mesh)
    dataset = as_dataset("dataset", existing(dataset))
    n_rows = leading_length("dataset", dataset)
    more = -n_rows % mesh.size
    if more:
        dataset = _padded(dataset, n_rows, mesh.size)
    rows = NamedSharding(mesh, PartitionSpec(*mesh.axis_names))
    return jax.tree.map(lambda leaf: _laid_out(leaf, n_rows + more, rows), dataset)


def _padded(dataset: Batch, n_rows: int, n_devices: int) -> Padded:
    if not isinstance(dataset, Dataset):
        raise ValueError(
            f"dataset must have rows that {n_devices} devices divide, since only a "
            "funclearn.Dataset can be padded: it has weights, by which the rows that "
            f"are added do not count. Got {n_rows} rows in {described(dataset)}."
        )
    inputs, targets, *weights = dataset
    weights = weights[0] if weights else np.ones(n_rows, np.float32)
    more = -n_rows % n_devices
    zeros = np.zeros((more, *weights.shape[1:]), weights.dtype)
    join = jnp.concatenate if isinstance(weights, jax.Array) else np.concatenate
    weights = join([weights, zeros])
    return Padded(inputs, targets, weights, n_rows, dataset.weights is None)


def _laid_out(leaf: Arrays, length: int, rows: NamedSharding) -> jax.Array:
    """An array over devices, its last row again and again up to a length."""
    if isinstance(leaf, jax.Array) and can_move(leaf, rows):
        last = jnp.broadcast_to(leaf[-1:], (length - len(leaf), *leaf.shape[1:]))
        whole = jnp.concatenate([leaf, last]) if len(last) else leaf
        return jax.device_put(whole, rows)

    array = np.asarray(leaf)

    def part(index: tuple[slice, ...]) -> np.ndarray:
        numbers = np.arange(length)[index[0]]
        return array[np.minimum(numbers, len(array) - 1)]

    # No device ever holds more than its part.
    return made_of_parts((length, *array.shape[1:]), rows, part)
