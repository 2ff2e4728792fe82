"""Rows dealt into blocks, and blocks dealt out to devices.

Over which devices an array lies its type says, in traced code too: `jax.typeof` of what
is sharded over axes of type Auto has their mesh, and so has what is computed of it.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, AxisType
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Int, PyTree

from funclearn._checks import leading_length
from funclearn._types import Batch
from funclearn._weights import weights_of
from funclearn.data import Dataset

__all__ = ["dealt", "of_every_block"]


def dealt(blocks: int, batch: Batch) -> Batch:
    """The rows of a batch as `(blocks, rows of a block, ...)`, in their order.

    Rows of a `Dataset` that are missing in the last blocks are copies of its last row,
    of weight 0.

    Raises:
        ValueError: if a batch that is no `Dataset` has not as many rows in all blocks.
    """
    n_rows = leading_length("batch", batch)
    size = -(-n_rows // blocks)
    n_missing = blocks * size - n_rows
    if n_missing and not isinstance(batch, Dataset):
        raise ValueError(
            f"blocks must divide the number of rows of a batch that is no Dataset, "
            f"{n_rows}, since it has no weights to leave rows out by; got {blocks}."
        )

    def padded(leaf: Array, last: Array) -> Array:
        return jnp.concatenate([leaf, jnp.broadcast_to(last, (n_missing, *last.shape))])

    batch = jax.tree.map(jnp.asarray, batch)
    if n_missing:
        weights = weights_of(batch)
        if weights is None:
            weights = jnp.ones(n_rows)
        fields = jax.tree.map(lambda leaf: padded(leaf, leaf[-1]), batch)
        nothing = jnp.zeros_like(weights[-1])
        batch = fields._replace(weights=padded(weights, nothing))
    return jax.tree.map(lambda leaf: leaf.reshape(blocks, size, *leaf.shape[1:]), batch)


def of_every_block(
    blocks: int,
    function: Callable[[PyTree, Int[Array, ""], Batch], PyTree],
    given: PyTree,
    rows: Batch,
) -> PyTree:
    """What a function is of every block, in their order, the same on all devices.

    Args:
        blocks: how many there are.
        function: `(given, number of the block, its rows) -> arrays`; it may not close
            over what is traced.
        given: arrays that it needs besides, the same for all blocks.
        rows: of all blocks, `(blocks, rows of a block, ...)`.

    Returns:
        The arrays, with a new axis 0 of blocks.

    Raises:
        ValueError: if the blocks cannot be dealt out to devices evenly.
    """

    def one_by_one(given: PyTree, numbers: Array, rows: Batch) -> PyTree:
        return jax.lax.map(lambda block: function(given, *block), (numbers, rows))

    numbers = jnp.arange(blocks, dtype=jnp.int32)
    mesh = _mesh_of((given, rows))
    if mesh is None:
        return one_by_one(given, numbers, rows)
    if blocks % mesh.size:
        raise ValueError(
            f"blocks must be a multiple of the number of devices, {mesh.size}; got "
            f"{blocks}."
        )
    axes = mesh.axis_names

    def on_a_device(given: PyTree, numbers: Array, rows: Batch) -> PyTree:
        own = one_by_one(given, numbers, rows)
        gather = functools.partial(jax.lax.all_gather, axis_name=axes, tiled=True)
        return jax.tree.map(gather, own)

    # With `check_vma` a gradient by what all devices share would be summed over them
    # in passing, and every block be counted as often as there are devices.
    return jax.shard_map(
        on_a_device,
        mesh=mesh,
        in_specs=(P(), P(axes), P(axes)),
        out_specs=P(),
        check_vma=False,
    )(given, numbers, rows)


def _mesh_of(tree: PyTree) -> AbstractMesh | None:
    """The devices that arrays lie on, or the user's; None if there is but one."""
    types = map(jax.typeof, jax.tree.leaves(tree))
    meshes = [kind.sharding.mesh for kind in types]
    for mesh in (*meshes, jax.sharding.get_abstract_mesh()):
        # Over axes that are explicit, or that a `jax.shard_map` around goes over,
        # nothing can be dealt out.
        if mesh.size > 1 and set(mesh.axis_types) == {AxisType.Auto}:
            return mesh
    return None
