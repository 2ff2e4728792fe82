"""Penalties on the size of parameters."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from funclearn._arrays import accumulator
from funclearn._checks import check_floating, check_not_negative
from funclearn._types import Params, Penalty, Scalar, ScalarLike
from funclearn.losses._regression import absolute

__all__ = ["l1", "l2"]


def l1(strength: ScalarLike) -> Penalty:
    """The penalty strength · Σ|p| over every parameter p; it favours zeros.

    Args:
        strength: the factor, not negative.

    Raises:
        ValueError: if `strength` is negative.
    """
    return _penalty(strength, absolute)


def l2(strength: ScalarLike) -> Penalty:
    """The penalty strength · Σp² over every parameter p; it favours small values.

    Args:
        strength: the factor, not negative.

    Raises:
        ValueError: if `strength` is negative.
    """
    return _penalty(strength, jnp.square)


def _penalty(strength: ScalarLike, size: Callable[[Array], Array]) -> Penalty:
    check_not_negative("strength", strength)

    def penalty(params: Params) -> Scalar:
        check_floating("params", params)
        leaves = jax.tree.leaves(params)
        inside, dtype = accumulator(strength, *leaves)
        sizes = [jnp.sum(size(jnp.asarray(leaf, inside))) for leaf in leaves]
        return (strength * jnp.sum(jnp.stack(sizes))).astype(dtype)

    return penalty
