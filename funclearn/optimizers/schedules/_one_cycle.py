"""One rise and one long fall of the rate."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from funclearn._checks import is_static_number
from funclearn._types import ScalarLike
from funclearn._words import described
from funclearn.optimizers.schedules._arguments import (
    Schedule,
    as_number,
    check_choice,
    number,
    whole,
)
from funclearn.optimizers.schedules._cosine import fallen
from funclearn.optimizers.schedules._cycled import CycledSchedule

__all__ = ["one_cycle_lr"]


_Anneal: TypeAlias = Callable[..., Float[Array, "..."]]
"""`(steps done, steps left, length, start, end) -> value`."""


def one_cycle_lr(
    max_lr: ScalarLike,
    total_steps: ScalarLike | None = None,
    epochs: ScalarLike | None = None,
    steps_per_epoch: ScalarLike | None = None,
    pct_start: ScalarLike = 0.3,
    anneal_strategy: str = "cos",
    cycle_momentum: bool = True,
    base_momentum: ScalarLike = 0.85,
    max_momentum: ScalarLike = 0.95,
    div_factor: ScalarLike = 25.0,
    final_div_factor: ScalarLike = 1e4,
    three_phase: bool = False,
) -> CycledSchedule:
    """Lets the rate rise once and fall to almost nothing, as `OneCycleLR`.

    PyTorch's has one rate more than steps, at the count `total_steps`, beyond the end
    of its last phase: a little more than the lowest by a cosine, and negative in a
    straight line; it is the same here. Beyond that count, where PyTorch raises an
    error, the rate and the momentum are those of the last step.

    Args:
        max_lr: the highest rate.
        total_steps: the number of steps.
        epochs: with `steps_per_epoch` in place of `total_steps`.
        steps_per_epoch: the other factor.
        pct_start: the part of the steps in which the rate rises.
        anneal_strategy: `"cos"` for half a cosine in each phase, `"linear"` for a
            straight line.
        cycle_momentum: whether there is a schedule of the momentum, which goes the
            other way.
        base_momentum: the momentum where the rate is highest.
        max_momentum: the momentum at both ends.
        div_factor: the first rate is `max_lr / div_factor`.
        final_div_factor: the last one is the first one divided by that.
        three_phase: whether the rate falls back to the first one as fast as it rose,
            and from there to the last one.

    Returns:
        `count -> rate`, with `momentum`, another one, or None.

    Raises:
        ValueError: if `max_lr` is negative, neither `total_steps` nor both of the next
            two are given, one of them is no integer of at least 1, `pct_start` is not
            between 0 and 1 or a rise of no length, a factor is not positive, or
            `anneal_strategy` another one.

    References:
        Smith and Topin, Super-convergence: Very fast training of neural networks using
        large learning rates, 2018.

    Example:
        >>> schedule = fl.optimizers.schedules.one_cycle_lr(1.0, 10)
        >>> optimizer = fl.optimizers.sgd(schedule, momentum=schedule.momentum)
        >>> print(*(f"{schedule(count):.2f}" for count in range(10)))
        0.04 0.52 1.00 0.95 0.81 0.61 0.39 0.19 0.05 0.00
    """
    total = _total(total_steps, epochs, steps_per_epoch)
    rise = _rise(pct_start, total)
    check_choice("anneal_strategy", anneal_strategy, ("cos", "linear"))
    anneal = _along_cosine if anneal_strategy == "cos" else _straight
    highest = number("max_lr", max_lr, at_least=0.0)
    first = highest / number("div_factor", div_factor, above=0.0)
    last = first / number("final_div_factor", final_div_factor, above=0.0)
    calm = number("base_momentum", base_momentum)
    fast = number("max_momentum", max_momentum)
    ends: list[ScalarLike] = [0.0, rise - 1, total - 1]
    rates, momenta = [first, highest, last], [fast, calm, fast]
    if three_phase:
        ends.insert(2, 2 * rise - 2)
        rates.insert(2, first)
        momenta.insert(2, fast)

    def along(values: list[ScalarLike]) -> Schedule:
        def schedule(count: Any) -> Float[Array, "..."]:
            count = jnp.where(jnp.asarray(count) > total, total - 1, count)
            return _piecewise(count, ends, values, anneal)

        return schedule

    return CycledSchedule(along(rates), along(momenta) if cycle_momentum else None)


def _total(
    steps: ScalarLike | None, epochs: ScalarLike | None, each: ScalarLike | None
) -> int | Int[Array, ""]:
    if steps is not None:
        return whole("total_steps", steps)
    if epochs is None or each is None:
        raise ValueError(
            "total_steps must be given, or both epochs and steps_per_epoch; got "
            f"{described(epochs)} and {described(each)} of these."
        )
    return whole("epochs", epochs) * whole("steps_per_epoch", each)


def _rise(part: ScalarLike, total: int | Int[Array, ""]) -> ScalarLike:
    """The number of steps in which the rate rises."""
    rise = number("pct_start", part, at_least=0.0, at_most=1.0) * total
    if is_static_number(rise) and rise == 1:
        raise ValueError(
            "pct_start must not be 1 / total_steps, with which the rise has no length; "
            f"got {part} of {total} steps."
        )
    return rise


def _piecewise(
    count: Int[Array, "..."],
    ends: list[ScalarLike],
    values: list[ScalarLike],
    anneal: _Anneal,
) -> Float[Array, "..."]:
    """From each value to the next one, the last piece being open at its end."""
    pieces = list(zip(ends, ends[1:], values, values[1:], strict=False))
    drawn = []
    for begin, end, *both in pieces:
        # Of a piece of no length no value is used, but its derivative must be finite.
        length = as_number(end - begin)
        length = jnp.where(length == 0, 1, length)
        done, left = _since(count, begin), -_since(count, end)
        drawn.append(anneal(done, left, length, *map(as_number, both)))
    value = drawn[-1]
    for (_, end, *_), piece in reversed(list(zip(pieces, drawn, strict=True))[:-1]):
        # The comparison of integers is exact in every precision.
        last = math.floor(end) if is_static_number(end) else jnp.floor(end)
        value = jnp.where(count <= last, piece, value)
    return value


def _since(count: Int[Array, "..."], place: ScalarLike) -> Float[Array, "..."]:
    """The distance from a place that is not always a whole number."""
    if not is_static_number(place) or as_number(place).dtype == jnp.float64:
        return as_number(count) - place
    # In single precision a large count would lose its last digits.
    whole = math.floor(place)
    return as_number(count - whole) - (place - whole)


def _along_cosine(
    done: Float[Array, "..."],
    left: Float[Array, "..."],
    length: Float[Array, ""],
    start: Float[Array, ""],
    end: Float[Array, ""],
) -> Float[Array, "..."]:
    return end + (start - end) * fallen(done, left, length)


def _straight(
    done: Float[Array, "..."],
    left: Float[Array, "..."],
    length: Float[Array, ""],
    start: Float[Array, ""],
    end: Float[Array, ""],
) -> Float[Array, "..."]:
    del done  # what is left makes the lowest rate exact
    return end + (start - end) * (left / length)
