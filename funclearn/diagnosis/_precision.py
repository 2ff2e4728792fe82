"""Numbers of fewer than 32 bits, and the same in single precision."""

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

__all__ = ["half_precision", "in_single_precision"]


def half_precision(tree: PyTree) -> str | None:
    """The dtype of a number of fewer than 32 bits; None without one."""
    halves = [leaf for leaf in jax.tree.leaves(tree) if _is_half(leaf)]
    return str(halves[0].dtype) if halves else None


def in_single_precision(tree: PyTree) -> PyTree:
    """The same with numbers of at least 32 bits."""
    return jax.tree.map(
        lambda leaf: jnp.asarray(leaf, jnp.float32) if _is_half(leaf) else leaf, tree
    )


def _is_half(leaf: object) -> bool:
    dtype = getattr(leaf, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        return False
    return jnp.finfo(dtype).bits < 32
