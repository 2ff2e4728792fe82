"""Comparing two computations of one result, and finding their largest difference."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._checks import path_name
from funclearn._jaxprs import is_key
from funclearn.testing._calls import is_traceable

__all__ = ["Tolerance", "disagreement"]


class Tolerance(NamedTuple):
    """The difference that is granted: atol + rtol · the leaf's largest magnitude.

    None is granted to integers, booleans and keys.

    Attributes:
        rtol: None takes ε^(3/4), ε being the spacing of the leaf's dtype at 1: 2e-12 in
            float64, 6e-6 in float32, 6e-3 in float16, 0.03 in bfloat16. That covers
            the rounding of sums in another order, and little more.
        atol: in the unit of the leaf.
    """

    rtol: float | None = None
    atol: float = 0.0

    def granted(self, expected: np.ndarray) -> float:
        """The difference that is granted to a leaf."""
        if not jnp.issubdtype(expected.dtype, jnp.inexact):
            return 0.0
        rtol = self.rtol
        if rtol is None:
            rtol = float(jnp.finfo(expected.dtype).eps) ** 0.75
        sizes = np.abs(_wide(expected))
        return self.atol + rtol * np.max(sizes, where=np.isfinite(sizes), initial=0.0)


def disagreement(
    name: str,
    got: PyTree,
    expected: PyTree,
    sides: tuple[str, str],
    tolerance: Tolerance,
) -> str | None:
    """Describes where two pytrees differ most, relative to the difference granted.

    NaN agrees with NaN, and an infinity with itself: the two results are to be the
    same, whatever they are.

    Args:
        name: what to call the result.
        got: the result of one computation.
        expected: that of the other, which sets the scale of what is granted.
        sides: the two computations in words, as "under jit" and "without".
        tolerance: what is granted.

    Returns:
        The description; None where the pytrees agree.
    """
    structures = jax.tree.structure(got), jax.tree.structure(expected)
    if structures[0] != structures[1]:
        return f"{name} is {structures[0]} {sides[0]}, but {structures[1]} {sides[1]}"
    worst, words = 0.0, None
    leaves = jax.tree_util.tree_leaves_with_path(got)
    for (path, one), other in zip(leaves, jax.tree.leaves(expected), strict=True):
        excess, where, values = _compare(_array(one), _array(other), tolerance)
        if excess > worst:
            leaf = path_name(name, path) + where
            words = f"{leaf} is {values[0]} {sides[0]}, but {values[1]} {sides[1]}"
            worst = excess
    return words


def _compare(
    got: np.ndarray, expected: np.ndarray, tolerance: Tolerance
) -> tuple[float, str, tuple[str, str]]:
    """The excess of two leaves over what is granted, its index, and both values."""
    kinds = _kind(got), _kind(expected)
    if kinds[0] != kinds[1]:
        return math.inf, "", kinds
    granted, apart = tolerance.granted(expected), _distance(got, expected)
    if not np.any(apart > granted):
        return 0.0, "", ("", "")
    index = np.unravel_index(np.argmax(apart), apart.shape)
    where = str([int(place) for place in index]) if index else ""
    values = f"{got[index]!s}", f"{expected[index]!s}"
    # `tiny` replaces a division by zero where nothing is granted.
    return apart[index] / max(granted, np.finfo(float).tiny), where, values


def _kind(leaf: np.ndarray) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"


def _distance(got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    if got.dtype == object:
        return np.where(got == expected, 0.0, np.inf)
    one, other = _wide(got), _wide(expected)
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other)
    same = (got == expected) | (np.isnan(one) & np.isnan(other))
    # Unequal entries differ, even where their distance is NaN or 0 in float64.
    return np.where(same, 0.0, np.where(apart > 0, apart, np.inf))


def _array(leaf: object) -> np.ndarray:
    if isinstance(leaf, jax.Array) and is_key(leaf.dtype):
        leaf = jax.random.key_data(leaf)
    if not is_traceable(leaf):
        return np.asarray(leaf, dtype=object)
    # JAX decides on the dtype of a Python number.
    return np.asarray(jnp.asarray(leaf))


def _wide(leaf: np.ndarray) -> np.ndarray:
    complex_valued = jnp.issubdtype(leaf.dtype, jnp.complexfloating)
    return leaf.astype(np.complex128 if complex_valued else np.float64)
