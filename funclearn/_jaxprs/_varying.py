"""Where a value lies, which its type says.

Inside `jax.shard_map` that is over which devices it varies, and over a mesh of explicit
axes which of them deals out which of its dimensions.
"""

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree

__all__ = ["filled", "vary", "vary_as", "varying_axes"]


def filled(kind: PyTree, value: ArrayLike) -> Array:
    """An array of one value, which a loop may carry where it carries one of this type.

    Args:
        kind: the type; an array has one too.
        value: of every entry.
    """
    array = jnp.full(kind.shape, value, kind.dtype)
    layout = getattr(kind, "sharding", None)
    if isinstance(layout, NamedSharding) and layout.mesh.explicit_axes:
        array = jax.sharding.reshard(array, layout)
    return vary_as(array, kind)


def vary_as(value: PyTree, like: PyTree) -> PyTree:
    """Has a value vary over the devices as another does.

    Args:
        value: an array.
        like: another, or its type.
    """
    return vary(value, varying_axes(like))


def vary(value: PyTree, axes: frozenset[str]) -> PyTree:
    """Has an array vary over these axes of devices too; itself where it does."""
    new = tuple(axes - varying_axes(jax.typeof(value)))
    return jax.lax.pcast(value, new, to="varying") if new else value


def varying_axes(kind: PyTree) -> frozenset[str]:
    """The axes of devices over which what is of this type varies."""
    return getattr(getattr(kind, "manual_axis_type", None), "varying", frozenset())
