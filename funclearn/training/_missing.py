"""What stands in the rows of epochs that never ran: NaN.

Where JAX is told to look for NaN (`jax_debug_nans`), no compiled function may return
one. There the rows hold the largest number inside compiled code, and are overwritten
with NaN once it has been left.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from funclearn._jaxprs import Tracer
from funclearn._programs import debugging

__all__ = ["missing", "with_missing", "with_missing_row"]


def missing(dtype: Any, finite: bool | None = None) -> float:
    """What a row that never ran holds in a leaf of this dtype.

    Args:
        dtype: of the leaf.
        finite: whether NaN is refused; None asks JAX.

    Returns:
        NaN in floating leaves, the largest number under `jax_debug_nans`; zero in
        others.
    """
    if not jnp.issubdtype(dtype, jnp.inexact):
        return 0.0
    finite = debugging()[0] if finite is None else finite
    return float(jnp.finfo(dtype).max) if finite else float("nan")


def with_missing(rows: PyTree, ran: Int[Array, "..."] | np.ndarray | int) -> PyTree:
    """Overwrites rows that never ran with NaN, unless compiled code would hold them.

    Args:
        rows: a pytree of rows along axis 0.
        ran: how many of them ran.
    """
    # What JAX computes without any argument is traced where a function is compiled.
    if not debugging()[0] or isinstance(jax.lax.neg(np.int32(0)), Tracer):
        return rows

    def fill(leaf: Array) -> Array:
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return leaf
        never = jnp.arange(leaf.shape[0]) >= ran
        never = never.reshape(-1, *(1,) * (leaf.ndim - 1))
        return jnp.where(never, jnp.asarray(jnp.nan, leaf.dtype), leaf)

    with jax.debug_nans(False):
        return jax.tree.map(fill, rows)


def with_missing_row(row: PyTree, ran: Int[Array, "..."] | np.ndarray | int) -> PyTree:
    """The same for one row, which is missing if none ran."""
    rows = with_missing(jax.tree.map(lambda leaf: leaf[None], row), ran)
    with jax.debug_nans(False):
        return jax.tree.map(lambda leaf: leaf[0], rows)
