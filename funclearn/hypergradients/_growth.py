"""How fast a run's perturbations grow: what its derivatives are worth.

The derivative of a run is a sum of products of its steps' own derivatives. Where these
products shrink, the run forgets what happened to it, and its derivative is moderate.
Where they grow without end, as in a chaotic run or one with too large a learning rate,
the derivative is as huge as they are, right, and useless: it is the slope of a result
that the smallest change of anything, a rounding too, turns into another one.

So a perturbation of what the run's longest loop carries is followed along the run, and
shrunk back to its first size after every step; by how much is what it grew by (Benettin
et al., 1980, for the largest Lyapunov exponent).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from funclearn import _jaxprs
from funclearn._jaxprs import TangentLoop

__all__ = ["Growth", "growth_of"]


class Growth(NamedTuple):
    """What becomes of a perturbation in the run's longest loop.

    Attributes:
        rate: the factor that it grows by in a step, over the second half of the run:
            below 1 the run forgets it.
        factor: the largest factor that it grew by between two steps, once it points
            where it grows fastest.
        steps: how many steps were made, up to the first that was not finite.
    """

    rate: Float[Array, ""] | np.ndarray
    factor: Float[Array, ""] | np.ndarray
    steps: Int[Array, ""] | np.ndarray


def growth_of(run: Callable[[PyTree], PyTree], point: PyTree) -> Growth | None:
    """Follows a perturbation through the longest loop of a run.

    Args:
        run: of one pytree of floating-point arrays, to a scalar.
        point: where.

    Returns:
        How it grows; None where no loop of known length is differentiated.
    """
    point = jax.tree.map(jnp.asarray, point)
    moves = jax.tree.map(jnp.ones_like, point)
    loop = _jaxprs.tangent_loop(run, point, moves)
    if loop is None:
        return None
    logarithms, ran = _followed(loop)
    return _summary(logarithms, ran)


def _followed(
    loop: TangentLoop,
) -> tuple[Float[Array, " steps"], Bool[Array, " steps"]]:
    """The logarithm of the growth in every step, and whether it was made."""
    scan, moving = loop.scan, loop.carry
    # The settings stay as they are: what is followed is the run's own dynamics.
    constants = _without(scan.constants, loop.constants)
    rows = _without(scan.rows, loop.rows)
    n_carried = len(moving)

    def step(carry: list[Any], row: list[Any]) -> tuple[list[Any], tuple[Array, Array]]:
        values = [*constants, *carry, *row]
        results = _jaxprs.eval_jaxpr(scan.body.jaxpr, scan.body.consts, *values)
        after = results[:n_carried]
        differ = map(_differ, carry, after)
        ran = jnp.any(jnp.stack([*differ]))
        size = _size(after, moving)
        return _scaled(after, moving, 1 / size), (jnp.log(size), ran)

    start = _perturbed(scan.carry, moving)
    _, (logarithms, ran) = jax.lax.scan(step, start, rows, scan.length, scan.reverse)
    if scan.reverse:
        logarithms, ran = logarithms[::-1], ran[::-1]
    return logarithms, ran


def _without(values: list[Any], moving: list[bool]) -> list[Any]:
    pairs = zip(values, moving, strict=True)
    return [jnp.zeros_like(value) if moves else value for value, moves in pairs]


def _perturbed(carry: list[Any], moving: list[bool]) -> list[Any]:
    """Puts some perturbation of size 1 in the place of the tangents."""
    # Any will do that is not blind to the direction in which it grows fastest.
    keys = jax.random.split(jax.random.key(0), len(carry))
    start = [
        jax.random.normal(key, value.shape, value.dtype)
        if jnp.issubdtype(value.dtype, jnp.inexact) and moves
        else value
        for key, value, moves in zip(keys, carry, moving, strict=True)
    ]
    return _scaled(start, moving, 1 / _size(start, moving))


def _size(values: list[Any], moving: list[bool]) -> Float[Array, ""]:
    kind = jnp.result_type(float)
    squares = [
        jnp.sum(jnp.square(value.astype(kind)))
        for value, moves in zip(values, moving, strict=True)
        if moves
    ]
    # A perturbation that is gone has no direction to be followed in.
    return jnp.maximum(jnp.sqrt(sum(squares)), jnp.finfo(kind).tiny)


def _scaled(values: list[Any], moving: list[bool], factor: Array) -> list[Any]:
    pairs = zip(values, moving, strict=True)
    return [(x * factor).astype(x.dtype) if moves else x for x, moves in pairs]


def _differ(one: Any, other: Any) -> Bool[Array, ""]:
    if _jaxprs.is_key(one.dtype):
        one, other = jax.random.key_data(one), jax.random.key_data(other)
    return jnp.any(one != other)


def _summary(logarithms: Float[Array, " steps"], ran: Bool[Array, " steps"]) -> Growth:
    # From where it is not finite the run has no derivative that could grow.
    made = ran & jnp.cumprod(jnp.isfinite(logarithms)).astype(bool)
    steps = jnp.sum(made)
    sums = jnp.cumsum(jnp.where(made, logarithms, 0.0))
    sums = jnp.concatenate([jnp.zeros_like(sums[:1]), sums])
    half = steps // 2
    rate = jnp.exp((sums[steps] - sums[half]) / jnp.maximum(steps - half, 1))
    # At first the perturbation turns, which says nothing of the run.
    turned = jnp.arange(len(sums)) >= steps // 10
    lowest = jax.lax.cummin(jnp.where(turned, sums, jnp.inf))
    factor = jnp.exp(jnp.max(jnp.where(turned, sums - lowest, 0.0)))
    return Growth(rate, factor, steps)
