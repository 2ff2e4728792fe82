"""The memory of L-BFGS: the last steps and what they did to the gradient.

References:
    Nocedal, Updating quasi-Newton matrices with limited storage, 1980; Nocedal and
    Wright, Numerical Optimization, 2006, algorithm 7.4 (the recursion in two loops).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from funclearn._types import Scalar

__all__ = ["Memory", "descent", "dot", "forget", "remembered"]

# A pair with less curvature is left out, as in PyTorch.
_CURVATURE = 1e-10


class Memory(NamedTuple):
    """The pairs that L-BFGS goes by, the newest last; zeros where there are none yet.

    Attributes:
        steps: the changes of the parameters, one a row.
        differences: the changes of the gradient that they made.
        inverses: one over the product of each pair.
        scale: of the first approximation of the inverse Hessian matrix.
    """

    steps: Float[Array, "history n"]
    differences: Float[Array, "history n"]
    inverses: Float[Array, " history"]
    scale: Scalar


def forget(like: Float[Array, " n"], size: int) -> Memory:
    """The memory before the first pair."""
    rows = jnp.zeros((size, *like.shape), like.dtype)
    none = jnp.zeros(size, like.dtype)
    return Memory(rows, rows, none, jnp.ones((), like.dtype))


def dot(one: Float[Array, " n"], other: Float[Array, " n"]) -> Scalar:
    """The scalar product, in the numbers' own precision on every device."""
    return jnp.vdot(one, other, precision="highest")


def remembered(
    memory: Memory, step: Float[Array, " n"], difference: Float[Array, " n"]
) -> Memory:
    """The memory with one more pair, unless its curvature is too small."""
    product = dot(difference, step)
    curved = product > _CURVATURE
    # Where it is not, neither quotient may be NaN, which derivatives would inherit.
    product = jnp.where(curved, product, 1)
    square = jnp.where(curved, dot(difference, difference), 1)

    def append(rows: Array, row: Array) -> Array:
        return jnp.where(curved, jnp.concatenate([rows[1:], row[None]]), rows)

    return Memory(
        append(memory.steps, step),
        append(memory.differences, difference),
        append(memory.inverses, 1 / product),
        jnp.where(curved, product / square, memory.scale),
    )


def descent(memory: Memory, gradient: Float[Array, " n"]) -> Float[Array, " n"]:
    """Minus the approximate inverse Hessian matrix times the gradient."""
    # Rows of zeros change nothing, so that the unused ones need no condition.
    rows = memory.steps, memory.differences, memory.inverses

    def backwards(direction: Array, row: tuple[Array, ...]) -> tuple[Array, Array]:
        step, difference, inverse = row
        share = dot(step, direction) * inverse
        return direction - share * difference, share

    def forwards(direction: Array, row: PyTree) -> tuple[Array, None]:
        (step, difference, inverse), share = row
        back = dot(difference, direction) * inverse
        return direction + (share - back) * step, None

    direction, shares = jax.lax.scan(backwards, -gradient, rows, reverse=True)
    direction, _ = jax.lax.scan(forwards, direction * memory.scale, (rows, shares))
    return direction
