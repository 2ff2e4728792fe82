"""Schedules that are given as functions, and schedules of schedules."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from funclearn._types import ScalarLike
from funclearn.optimizers.schedules._arguments import (
    Schedule,
    as_number,
    check_function,
    number,
    whole,
)

__all__ = ["lambda_lr", "multiplicative_lr", "sequential_lr"]


def lambda_lr(lr: ScalarLike, lr_lambda: Callable[[Any], ScalarLike]) -> Schedule:
    """Multiplies the rate by a function of the count, as `LambdaLR`.

    Args:
        lr: the rate.
        lr_lambda: `count -> factor`, of JAX's operations: in a compiled step the count
            is traced.

    Returns:
        `count -> rate`.

    Raises:
        TypeError: if `lr_lambda` is no function.
        ValueError: if `lr` is negative.
    """
    lr = number("lr", lr, at_least=0.0)
    check_function("lr_lambda", lr_lambda)

    def schedule(count: Any) -> Float[Array, "..."]:
        return as_number(lr) * as_number(lr_lambda(count))

    return schedule


def multiplicative_lr(
    lr: ScalarLike, lr_lambda: Callable[[Any], ScalarLike]
) -> Schedule:
    """Multiplies the rate by one more factor at every step, as `MultiplicativeLR`.

    A schedule keeps nothing from step to step, so at every count all factors are
    multiplied anew. What the factors depend on has forward derivatives only.

    Args:
        lr: the rate of the first step.
        lr_lambda: `count -> factor`, for counts from 1; of JAX's operations.

    Returns:
        `count -> rate`, `lr * lr_lambda(1) * ... * lr_lambda(count)`.

    Raises:
        TypeError: if `lr_lambda` is no function.
        ValueError: if `lr` is negative.
    """
    lr = number("lr", lr, at_least=0.0)
    check_function("lr_lambda", lr_lambda)

    def schedule(count: Any) -> Float[Array, "..."]:
        def multiplied(index: Any, product: Float[Array, "..."]) -> Float[Array, "..."]:
            return product * as_number(lr_lambda(index))

        count = jnp.asarray(count)
        one = jnp.ones_like(count)
        # Without the rate, which has its derivative outside of the loop.
        product = jax.lax.fori_loop(one, count + one, multiplied, as_number(one))
        return as_number(lr) * product

    return schedule


def sequential_lr(
    schedules: Sequence[Callable[[Any], ArrayLike]],
    milestones: Sequence[ScalarLike],
) -> Schedule:
    """Follows one schedule after another, as `SequentialLR`.

    Each counts from 0 when its turn comes. So does `multiplicative_lr`, which PyTorch
    would let go on from the rate that the schedule before it left.

    Args:
        schedules: any of optax's, of counts.
        milestones: the counts at which the second one and each further one begins, in
            ascending order.

    Returns:
        `count -> rate`.

    Raises:
        TypeError: if one of `schedules` is no function.
        ValueError: if there are none, or the milestones are not one fewer, integers of
            at least 0, and in ascending order.

    Example:
        >>> schedules = fl.optimizers.schedules
        >>> warm_up = schedules.linear_lr(0.4, 0.25, total_iters=3)
        >>> halved = schedules.step_lr(0.4, 2, gamma=0.5)
        >>> schedule = schedules.sequential_lr([warm_up, halved], [3])
        >>> print(*(f"{schedule(count):.1f}" for count in range(7)))
        0.1 0.2 0.3 0.4 0.4 0.2 0.2
    """
    parts = tuple(schedules)
    for index, part in enumerate(parts):
        check_function(f"schedules[{index}]", part)
    places = [whole(f"milestones[{i}]", one, 0) for i, one in enumerate(milestones)]
    if not parts or len(places) != len(parts) - 1:
        raise ValueError(
            "milestones must be one fewer than schedules; got "
            f"{len(places)} for {len(parts)}."
        )
    known = [place for place in places if isinstance(place, int)]
    if known != sorted(known):
        raise ValueError(f"milestones must be in ascending order; got {known}.")

    def schedule(count: Any) -> Float[Array, "..."]:
        count = jnp.asarray(count)
        rate = as_number(parts[0](count))
        for place, part in zip(places, parts[1:], strict=True):
            # Before its turn a schedule is asked for its first value, not for one
            # at a negative count.
            own = as_number(part(jnp.maximum(count - place, 0)))
            rate = jnp.where(count >= place, own, rate)
        return rate

    return schedule
