"""Over which devices a value varies inside `jax.shard_map`, which its type says."""

import jax
from jaxtyping import PyTree

__all__ = ["vary", "vary_as", "varying_axes"]


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
