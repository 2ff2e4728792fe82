"""Schedules along half a cosine."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from funclearn._checks import integer_at_least
from funclearn._types import ScalarLike
from funclearn.optimizers.schedules._arguments import (
    Schedule,
    as_number,
    number,
    whole,
)

__all__ = ["cosine_annealing_lr", "cosine_annealing_warm_restarts", "fallen"]

_LARGEST = np.iinfo(np.int32).max

_Steps = int | float | Shaped[Array, "..."]


def cosine_annealing_lr(
    lr: ScalarLike, T_max: ScalarLike, eta_min: ScalarLike = 0.0
) -> Schedule:
    """Lets the rate fall to `eta_min` along half a cosine, as `CosineAnnealingLR`.

    Beyond `T_max` it rises again, back to `lr` at `2 * T_max`, and so on, as PyTorch's
    does. PyTorch computes each rate from the one before, so that its own roundings
    grow: in double precision, beyond `T_max`, to about `T_max**2 * 1e-16`.

    Args:
        lr: the rate of the first step.
        T_max: the number of steps until it is lowest.
        eta_min: the lowest rate.

    Returns:
        `count -> rate`.

    Raises:
        ValueError: if `lr` is negative, or `T_max` no integer of at least 1.

    References:
        Loshchilov and Hutter, SGDR: Stochastic gradient descent with warm restarts,
        2017.
    """
    lr, low = number("lr", lr, at_least=0.0), number("eta_min", eta_min)
    half = whole("T_max", T_max)

    def schedule(count: Any) -> Float[Array, "..."]:
        # By a remainder, so that the angle is exact however large the count is.
        done = jnp.asarray(count) % (2 * half)
        return _between(lr, low, fallen(done, half - done, half))

    return schedule


def cosine_annealing_warm_restarts(
    lr: ScalarLike, T_0: ScalarLike, T_mult: int = 1, eta_min: ScalarLike = 0.0
) -> Schedule:
    """The same with restarts at `lr`, as `CosineAnnealingWarmRestarts`.

    Args:
        lr: the rate after every restart.
        T_0: the number of steps before the first restart.
        T_mult: each time it takes as many times as long.
        eta_min: what the rate falls to.

    Returns:
        `count -> rate`.

    Raises:
        TypeError: if `T_mult` is no integer known at trace time.
        ValueError: if `lr` is negative, `T_0` no integer of at least 1, or `T_mult`
            less than 1.
    """
    lr, low = number("lr", lr, at_least=0.0), number("eta_min", eta_min)
    first, factor = whole("T_0", T_0), integer_at_least("T_mult", T_mult, 1)
    lengths, starts = [1], [0]  # of the periods, in units of the first
    while factor > 1 and starts[-1] + lengths[-1] <= _LARGEST:
        starts.append(starts[-1] + lengths[-1])
        lengths.append(lengths[-1] * factor)

    def schedule(count: Any) -> Float[Array, "..."]:
        count = jnp.asarray(count)
        if factor == 1:
            done = count % first
            return _between(lr, low, fallen(done, first - done, first))
        # Integers as large as counts are, no product that would not fit.
        unit = count // first
        period = sum((jnp.asarray(unit >= start, jnp.int32) for start in starts), -1)
        done = count - first * jnp.asarray(starts)[period]
        # A length that is larger than any count has to fit as well.
        length = as_number(first) * as_number(jnp.array(lengths, float))[period]
        return _between(lr, low, fallen(done, length - as_number(done), length))

    return schedule


def fallen(done: _Steps, left: _Steps, length: _Steps) -> Float[Array, "..."]:
    """Half a cosine from 1 to 0, after some of its steps.

    Args:
        done: the number of steps made.
        left: the number of those that are left.
        length: of both.
    """
    if as_number(length).dtype == jnp.float64:
        # With the roundings that PyTorch's rates have, where they are lowest.
        return (1 + jnp.cos(math.pi * as_number(done) / as_number(length))) / 2
    # The same without a difference of almost equal numbers.
    return jnp.sin(math.pi / 2 * as_number(left) / as_number(length)) ** 2


def _between(
    high: ScalarLike, low: ScalarLike, part: Float[Array, "..."]
) -> Float[Array, "..."]:
    lowest = as_number(low)
    return lowest + (as_number(high) - lowest) * part
