"""A rate that goes up and down between two bounds."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from funclearn._types import ScalarLike
from funclearn.optimizers.schedules._arguments import (
    Schedule,
    as_number,
    check_choice,
    check_function,
    number,
    whole,
)
from funclearn.optimizers.schedules._cycled import CycledSchedule

__all__ = ["cyclic_lr"]

_Height: TypeAlias = Callable[[Any], ScalarLike]


def cyclic_lr(
    base_lr: ScalarLike,
    max_lr: ScalarLike,
    step_size_up: ScalarLike = 2000,
    step_size_down: ScalarLike | None = None,
    mode: str = "triangular",
    gamma: ScalarLike = 1.0,
    scale_fn: _Height | None = None,
    scale_mode: str = "cycle",
    cycle_momentum: bool = True,
    base_momentum: ScalarLike = 0.8,
    max_momentum: ScalarLike = 0.9,
) -> CycledSchedule:
    """Goes up and down between two bounds in straight lines, as `CyclicLR`.

    Args:
        base_lr: the lower bound, the rate of the first step.
        max_lr: the upper bound.
        step_size_up: the number of steps from the lower to the upper one.
        step_size_down: the number of steps back; None for as many.
        mode: what the height of a cycle is multiplied by: 1 in `"triangular"`, 1/2
            once more in every cycle in `"triangular2"`, `gamma` once more in every
            step in `"exp_range"`.
        gamma: of `"exp_range"`.
        scale_fn: a function of JAX's operations in place of `mode`.
        scale_mode: what it is called with: `"cycle"` for the number of the cycle, from
            1, `"iterations"` for the count.
        cycle_momentum: whether there is a schedule of the momentum, which goes the
            other way.
        base_momentum: the momentum where the rate is highest.
        max_momentum: the momentum of the first step.

    Returns:
        `count -> rate`, with `momentum`, another one, or None.

    Raises:
        TypeError: if `scale_fn` is neither a function nor None.
        ValueError: if a rate is negative, `step_size_up` no integer of at least 1,
            `step_size_down` none of at least 0, or `mode` or `scale_mode` another one.

    References:
        Smith, Cyclical learning rates for training neural networks, 2017.

    Example:
        >>> schedule = fl.optimizers.schedules.cyclic_lr(0.1, 0.5, 2)
        >>> optimizer = fl.optimizers.sgd(schedule, momentum=schedule.momentum)
        >>> print(*(f"{schedule(count):.1f}" for count in range(5)))
        0.1 0.3 0.5 0.3 0.1
    """
    low = number("base_lr", base_lr, at_least=0.0)
    high = number("max_lr", max_lr, at_least=0.0)
    up = whole("step_size_up", step_size_up)
    down = up if step_size_down is None else whole("step_size_down", step_size_down, 0)
    _check_scale(mode, scale_fn, scale_mode)
    calm = number("base_momentum", base_momentum)
    fast = number("max_momentum", max_momentum)
    gamma, by_cycle = number("gamma", gamma), scale_mode == "cycle"

    def height(count: Any) -> Float[Array, "..."]:
        count = jnp.asarray(count)
        part, cycle = _triangle(count, up, down), 1 + count // (up + down)
        if scale_fn is not None:
            return part * as_number(scale_fn(cycle if by_cycle else count))
        if mode == "exp_range":
            return part * as_number(gamma) ** as_number(count)
        # A power of 2 is exact by its exponent.
        return jnp.ldexp(part, 1 - cycle) if mode == "triangular2" else part

    def between(start: ScalarLike, end: ScalarLike) -> Schedule:
        def schedule(count: Any) -> Float[Array, "..."]:
            return _between(start, end, height(count))

        return schedule

    momentum = between(fast, calm) if cycle_momentum else None
    return CycledSchedule(between(low, high), momentum)


def _between(
    start: ScalarLike, end: ScalarLike, part: Float[Array, "..."]
) -> Float[Array, "..."]:
    return as_number(start) + (as_number(end) - as_number(start)) * part


def _check_scale(mode: str, scale_fn: _Height | None, scale_mode: str) -> None:
    if scale_fn is None:
        check_choice("mode", mode, ("triangular", "triangular2", "exp_range"))
    else:
        check_function("scale_fn", scale_fn)
    check_choice("scale_mode", scale_mode, ("cycle", "iterations"))


def _triangle(
    count: Int[Array, "..."], up: int | Int[Array, ""], down: int | Int[Array, ""]
) -> Float[Array, "..."]:
    """From 0 up to 1 and back, again and again."""
    place = count % (up + down)
    rising = as_number(place) / as_number(up)
    # Of no steps down there is no place in them to divide by.
    falling = as_number(up + down - place) / as_number(jnp.maximum(down, 1))
    return jnp.where(place <= up, rising, falling)
