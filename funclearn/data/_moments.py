"""Means and deviations of columns, and columns scaled by them.

Arrays of NumPy's are computed with in float64, whatever JAX makes of them afterwards;
those of JAX, traced or not, in their own precision, half precision in float32.
"""

import functools
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from funclearn._arrays import Arrays, accumulator, is_known, minus

__all__ = ["Numbers", "moments", "scaled"]

Numbers: TypeAlias = float | int | Shaped[Array | np.ndarray, "..."]
"""A number for all columns, or one for each."""

Row: TypeAlias = Float[Array | np.ndarray, "*row"]

# As large a part of its deviation as a column's mean may be off, near float32's digits.
_OFF = 1e-6


def scaled(rows: Arrays, shift: Numbers, scale: Numbers) -> Array:
    """The rows `(n, *row)` as (row - shift) / scale, in the float dtype JAX has."""
    dtype = jnp.result_type(rows, float)
    if isinstance(rows, np.ndarray) and is_known((shift, scale)):
        with np.errstate(all="ignore"):  # what is not finite stays that, as in JAX
            row = minus(rows, np.asarray(shift)) / np.asarray(scale, np.float64)
            return jnp.asarray(row.astype(dtype))
    values = _divide(_subtract(rows, shift), scale)
    return values.astype(dtype) if dtype.itemsize < 4 else values


def moments(name: str, rows: Arrays, weights: Arrays | None = None) -> tuple[Row, Row]:
    """Mean and standard deviation of every column, to shift and to scale by.

    A constant column has the shift that makes it 0 and the scale 1.

    Args:
        name: the argument to name in messages.
        rows: `(n, *row)`.
        weights: how much each row, or entry, counts in both; None: all alike.

    Raises:
        ValueError: if values of NumPy's are not finite, or integers are so large that
            float64 does not hold their mean.
    """
    if weights is not None:
        return _weighted_moments(name, rows, weights)
    if isinstance(rows, np.ndarray):
        return _moments_on_host(name, rows)
    # Half precision rounds a mean by as much as columns may differ by.
    dtype, _ = accumulator(rows)
    columns = jnp.asarray(rows, dtype)
    constant, shift, reach = _shift_and_reach(columns)
    deviation = jnp.std(_divide(_subtract(columns, shift), reach), axis=0)
    return shift, _scale_or_one(constant, reach, deviation)


def _moments_on_host(name: str, rows: np.ndarray) -> tuple[Row, Row]:
    with np.errstate(all="ignore"):  # looked at below
        constant = np.all(rows == rows[0], axis=0)
        first = rows[0].astype(np.float64)
        shift = np.where(
            constant, first, first + np.mean(minus(rows, np.asarray(rows[0])), axis=0)
        )
        deviations = minus(rows, shift)
        # They are brought to 1 first: their squares could leave the range of floats.
        reach = np.where(constant, 1.0, np.max(np.abs(deviations), axis=0))
        scale = np.where(constant, 1.0, reach * np.std(deviations / reach, axis=0))
    if not np.all(np.isfinite(shift) & np.isfinite(scale)):
        raise ValueError(_without_mean(name, rows))
    # Half the distance to the next float is how far a mean may be off.
    off = np.where(constant, deviations[0], np.spacing(np.abs(shift)) / 2)
    if rows.dtype.kind in "iu" and np.any(np.abs(off) > _OFF * scale):
        raise ValueError(
            f"{name} must hold integers whose mean float64 can hold; got ones near "
            f"{rows.flat[0]}: subtract one of them first."
        )
    return shift, scale


def _weighted_moments(name: str, rows: Arrays, weights: Arrays) -> tuple[Row, Row]:
    known = isinstance(rows, np.ndarray) and is_known(weights)
    xp = np if known else jnp
    dtype = np.dtype(np.float64) if known else accumulator(rows)[0]
    columns, counts = (xp.asarray(array).astype(dtype) for array in (rows, weights))
    if counts.shape != columns.shape[: counts.ndim]:  # they are those of the targets
        counts = counts.reshape(len(counts), -1).mean(axis=1)
    counts = counts.reshape(*counts.shape, *(1,) * (columns.ndim - counts.ndim))
    counts = xp.broadcast_to(counts, columns.shape)
    counted = counts > 0
    if known and not np.isfinite(columns[counted]).all():
        raise ValueError(_without_mean(name, np.where(counted, rows, 0)))
    # Of what does not count nothing may be left, not even NaN.
    least = xp.min(xp.where(counted, columns, np.inf), axis=0)
    most = xp.max(xp.where(counted, columns, -np.inf), axis=0)
    constant = least >= most
    origin = xp.where(xp.isfinite(least), least, 0)
    total = xp.sum(counts, axis=0)[None]
    shares = counts / xp.maximum(total, np.finfo(dtype).tiny)
    above = xp.where(counted, columns - origin[None], 0)
    mean = xp.where(constant, 0, xp.sum(shares * above, axis=0))
    # Deviations are brought to 1 first: their squares could leave the dtype's range.
    reach = xp.where(constant, 1, most - least)
    away = xp.where(counted, (above - mean[None]) / reach[None], 0)
    deviation = reach * xp.sqrt(xp.sum(shares * away**2, axis=0))
    # Of single columns NumPy makes numbers without an array around them.
    return xp.asarray(origin + mean), xp.where(constant, 1, deviation).astype(dtype)


def _without_mean(name: str, rows: np.ndarray) -> str:
    wrong = np.argwhere(~np.isfinite(rows.astype(np.float64)))
    if not len(wrong):
        return f"{name} must not span the whole range of floats: divide it by a unit."
    at = ", ".join(map(str, wrong[0]))
    return (
        f"{name} must be finite to have a mean; got {rows[tuple(wrong[0])]} at [{at}]: "
        "leave such rows out, or fill them."
    )


# Eager code compiles every operation by itself, which takes most of the time of the
# first call. What is compiled together here has the bits of single operations. The rest
# is kept apart: XLA rounds a standard deviation otherwise beside other operations.
_compiled = functools.partial(jax.jit, inline=True)


@_compiled
def _subtract(rows: Arrays, shift: Numbers) -> Array:
    return jax.vmap(lambda row: row - shift)(rows)


@_compiled
def _divide(rows: Arrays, scale: Numbers) -> Array:
    return jax.vmap(lambda row: row / scale)(rows)


@_compiled
def _shift_and_reach(
    columns: Float[Array, "n *row"],
) -> tuple[Bool[Array, "*row"], Float[Array, "*row"], Float[Array, "*row"]]:
    # A constant column's computed deviation is a rounding error, not always zero.
    largest = jnp.max(columns, axis=0)
    constant = largest == jnp.min(columns, axis=0)
    shift = jnp.where(constant, largest, jnp.mean(columns, axis=0))
    # Deviations are brought to 1 first: their squares could leave the dtype's range.
    reach = jnp.max(jnp.abs(_divide(_subtract(columns, shift), 1.0)), axis=0)
    return constant, shift, jnp.where(constant, 1.0, reach)


@_compiled
def _scale_or_one(
    constant: Bool[Array, "*row"],
    reach: Float[Array, "*row"],
    deviation: Float[Array, "*row"],
) -> Float[Array, "*row"]:
    return jnp.where(constant, 1.0, reach * deviation)
