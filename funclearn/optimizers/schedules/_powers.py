"""Schedules that multiply the rate by one factor, again and again."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from funclearn._types import ScalarLike
from funclearn.optimizers.schedules._arguments import (
    Schedule,
    as_number,
    number,
    whole,
)

__all__ = ["exponential_lr", "multi_step_lr", "step_lr"]


def step_lr(lr: ScalarLike, step_size: ScalarLike, gamma: ScalarLike = 0.1) -> Schedule:
    """Multiplies the rate by `gamma` every `step_size` steps, as `StepLR`.

    Args:
        lr: the rate of the first step.
        step_size: a number of steps.
        gamma: a factor.

    Returns:
        `count -> rate`, `lr * gamma**(count // step_size)`.

    Raises:
        ValueError: if `lr` is negative, or `step_size` no integer of at least 1.

    Example:
        >>> schedule = fl.optimizers.schedules.step_lr(0.8, 2, gamma=0.5)
        >>> print(*map(schedule, range(5)))
        0.8 0.8 0.4 0.4 0.2
    """
    lr, gamma = number("lr", lr, at_least=0.0), number("gamma", gamma)
    size = whole("step_size", step_size)

    def schedule(count: Any) -> Float[Array, "..."]:
        return _scaled(lr, gamma, jnp.asarray(count) // size)

    return schedule


def multi_step_lr(
    lr: ScalarLike, milestones: Sequence[ScalarLike], gamma: ScalarLike = 0.1
) -> Schedule:
    """Multiplies the rate by `gamma` at every milestone, as `MultiStepLR`.

    Args:
        lr: the rate before the first one.
        milestones: counts, in any order; at one that is given twice it is multiplied
            twice.
        gamma: a factor.

    Returns:
        `count -> rate`.

    Raises:
        ValueError: if `lr` is negative, or a milestone no integer of at least 0.
    """
    lr, gamma = number("lr", lr, at_least=0.0), number("gamma", gamma)
    places = [whole(f"milestones[{i}]", one, 0) for i, one in enumerate(milestones)]

    def schedule(count: Any) -> Float[Array, "..."]:
        passed = sum((jnp.asarray(count >= place, jnp.int32) for place in places), 0)
        return _scaled(lr, gamma, jnp.asarray(passed))

    return schedule


def exponential_lr(lr: ScalarLike, gamma: ScalarLike) -> Schedule:
    """Multiplies the rate by `gamma` at every step, as `ExponentialLR`.

    Args:
        lr: the rate of the first step.
        gamma: a factor.

    Returns:
        `count -> rate`, `lr * gamma**count`.

    Raises:
        ValueError: if `lr` is negative.
    """
    lr, gamma = number("lr", lr, at_least=0.0), number("gamma", gamma)

    def schedule(count: Any) -> Float[Array, "..."]:
        return _scaled(lr, gamma, jnp.asarray(count))

    return schedule


def _scaled(
    lr: ScalarLike, gamma: ScalarLike, times: Int[Array, "..."]
) -> Float[Array, "..."]:
    return as_number(lr) * as_number(gamma) ** as_number(times)
