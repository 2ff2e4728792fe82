"""Schedules that go from one factor to another and stay there."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from funclearn._types import ScalarLike
from funclearn.optimizers.schedules._arguments import (
    Schedule,
    as_number,
    number,
    whole,
)

__all__ = ["constant_lr", "linear_lr", "polynomial_lr"]


def constant_lr(
    lr: ScalarLike, factor: ScalarLike = 1.0 / 3, total_iters: ScalarLike = 5
) -> Schedule:
    """Multiplies the rate by `factor` for some steps, as `ConstantLR`.

    Args:
        lr: the rate after them.
        factor: between 0 and 1.
        total_iters: how many steps.

    Returns:
        `count -> rate`.

    Raises:
        ValueError: if `lr` is negative, `factor` not between 0 and 1, or `total_iters`
            no integer of at least 1: with 0, PyTorch never lets go of the factor.
    """
    lr = number("lr", lr, at_least=0.0)
    factor = number("factor", factor, at_least=0.0, at_most=1.0)
    total = whole("total_iters", total_iters)

    def schedule(count: Any) -> Float[Array, "..."]:
        early = jnp.asarray(count) < total
        return as_number(lr) * jnp.where(early, as_number(factor), 1)

    return schedule


def linear_lr(
    lr: ScalarLike,
    start_factor: ScalarLike = 1.0 / 3,
    end_factor: ScalarLike = 1.0,
    total_iters: ScalarLike = 5,
) -> Schedule:
    """Goes from one factor of the rate to another in a straight line, as `LinearLR`.

    Args:
        lr: what the factors multiply.
        start_factor: that of the first step, more than 0 and at most 1.
        end_factor: that from `total_iters` on, between 0 and 1.
        total_iters: how many steps it takes.

    Returns:
        `count -> rate`.

    Raises:
        ValueError: if `lr` is negative, a factor out of range, or `total_iters` no
            integer of at least 1.

    Example:
        >>> schedule = fl.optimizers.schedules.linear_lr(0.4, 0.25, total_iters=3)
        >>> print(*(f"{schedule(count):.1f}" for count in range(5)))
        0.1 0.2 0.3 0.4 0.4
    """
    lr = number("lr", lr, at_least=0.0)
    first = number("start_factor", start_factor, above=0.0, at_most=1.0)
    last = number("end_factor", end_factor, at_least=0.0, at_most=1.0)
    total = whole("total_iters", total_iters)

    def schedule(count: Any) -> Float[Array, "..."]:
        done = as_number(jnp.minimum(count, total)) / as_number(total)
        start, end = as_number(first), as_number(last)
        return as_number(lr) * (start + (end - start) * done)

    return schedule


def polynomial_lr(
    lr: ScalarLike, total_iters: ScalarLike = 5, power: ScalarLike = 1.0
) -> Schedule:
    """Lets the rate fall to 0 as a power of what is left, as `PolynomialLR`.

    Args:
        lr: the rate of the first step.
        total_iters: the number of steps until it is 0.
        power: of the part of the steps that is left.

    Returns:
        `count -> rate`, `lr * (1 - count / total_iters)**power`, and 0 from there on.

    Raises:
        ValueError: if `lr` is negative, or `total_iters` no integer of at least 1.
    """
    lr, power = number("lr", lr, at_least=0.0), number("power", power)
    total = whole("total_iters", total_iters)

    def schedule(count: Any) -> Float[Array, "..."]:
        left = as_number(total - jnp.minimum(count, total)) / as_number(total)
        return as_number(lr) * left ** as_number(power)

    return schedule
