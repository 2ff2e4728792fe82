"""The numbers of an optimizer: known while tracing, traced, or schedules of the step.

Those that are known stay numbers of Python's, so that `1 - beta` is rounded once, from
double precision, in every dtype, as in PyTorch.
"""

import math
import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from funclearn._arrays import is_known
from funclearn._checks import is_static_number
from funclearn._types import ScalarLike
from funclearn._words import described

__all__ = [
    "Number",
    "Values",
    "checked",
    "checked_betas",
    "checked_of_adam",
    "decayed",
    "is_zero",
    "larger",
    "lerp",
    "one_minus_power",
    "pair",
    "root",
    "smaller",
    "value_of",
]

Number: TypeAlias = ScalarLike | Callable[[Any], ScalarLike]
"""A number, a scalar array, which may be traced, or a schedule `count -> number`."""

Values: TypeAlias = Float[Array, "..."]


def checked(
    name: str,
    value: Number,
    *,
    at_least: float | int | None = None,
    above: float | int | None = None,
    at_most: float | int | None = None,
    below: float | int | None = None,
) -> Number:
    """Returns a number as one of Python's, a scalar array or a schedule.

    Args:
        name: the argument to name in messages.
        value: what was given.
        at_least: the least value allowed.
        above: a value that it has to exceed.
        at_most: the largest value allowed.
        below: a value that it must not reach.

    Raises:
        TypeError: if it is none of the three.
        ValueError: if its value is known and not allowed, or NaN.
    """
    if callable(value):
        return value
    if not is_static_number(value):
        array = isinstance(value, jax.Array | np.ndarray | np.generic)
        if not array or np.shape(value) or value.dtype.kind not in "iufV":
            raise TypeError(
                f"{name} must be a number, an array of shape () or a schedule; got "
                f"{described(value)}."
            )
        if not is_known(value):
            return value
    known = float(value)
    limits = (
        ("at least", at_least, operator.ge),
        ("more than", above, operator.gt),
        ("at most", at_most, operator.le),
        ("less than", below, operator.lt),
    )
    given = [
        (words, limit, holds) for words, limit, holds in limits if limit is not None
    ]
    if math.isnan(known) or not all(holds(known, limit) for _, limit, holds in given):
        needed = " and ".join(f"{words} {limit:g}" for words, limit, _ in given)
        raise ValueError(f"{name} must be {needed or 'a number'}; got {known:g}.")
    return known if is_static_number(value) else value


def checked_betas(betas: object) -> tuple[Number, Number]:
    """Returns the two decay rates of running means, each at least 0 and less than 1.

    Raises:
        TypeError: if there are not two.
        ValueError: if one is out of range.
    """
    first, second = pair("betas", betas)
    return (
        checked("betas[0]", first, at_least=0, below=1),
        checked("betas[1]", second, at_least=0, below=1),
    )


def checked_of_adam(
    lr: Number, betas: object, eps: Number, weight_decay: Number
) -> dict[str, Number]:
    """Returns the numbers of Adam's kind by the names that their rules have.

    Raises:
        TypeError: if one is no number, or the betas are not two.
        ValueError: if one is out of range.
    """
    first, second = checked_betas(betas)
    return {
        "lr": checked("lr", lr, at_least=0),
        "beta1": first,
        "beta2": second,
        "eps": checked("eps", eps, at_least=0),
        "weight_decay": checked("weight_decay", weight_decay, at_least=0),
    }


def pair(name: str, value: Any) -> tuple[Any, Any]:
    """Returns the two entries of a tuple, a list or an array.

    Raises:
        TypeError: if there are not two.
    """
    try:
        first, second = value
    except Exception:  # a tracer raises a JAX error of its own here
        raise TypeError(
            f"{name} must be a pair of numbers; got {described(value)}."
        ) from None
    return first, second


def value_of(number: Number, count: Array, dtype: Any) -> ScalarLike:
    """A number at a step.

    Args:
        number: what `checked` returned.
        count: the number of steps made before this one.
        dtype: that of the leaf.

    Returns:
        A number of Python's where it is known, and else an array of the leaf's dtype.
    """
    value = number(count) if callable(number) else number
    return float(value) if is_static_number(value) else jnp.asarray(value, dtype)


def is_zero(number: object) -> bool:
    """Whether a number is known to be zero: what it multiplies is left out."""
    return is_static_number(number) and number == 0


def one_minus_power(beta: ScalarLike, t: Float[Array, ""]) -> Float[Array, ""]:
    """`1 - beta**t`, to the precision of the dtype where beta is close to 1."""
    if is_static_number(beta):
        # log(0.999) from double precision; float32 would round 0.999 first.
        return -jnp.expm1(t * math.log(beta)) if beta >= 0.5 else 1 - beta**t
    beta = jnp.asarray(beta)
    large = beta >= 0.5
    # Each of the two is kept where its derivative exists.
    small_beta = 1 - jnp.where(large, 0.25, beta) ** t
    large_beta = -jnp.expm1(t * jnp.log(jnp.where(large, beta, 0.75)))
    return jnp.where(large, large_beta, small_beta)


def root(square: Values) -> Values:
    """The square root, with derivative 0 at 0, where it has none; 0 below 0."""
    none = square <= 0  # false for NaN, which stays
    return jnp.where(none, 0, jnp.sqrt(jnp.where(none, 1, square)))


def larger(one: ScalarLike | Values, other: ScalarLike | Values) -> Values:
    """The larger of two; NaN if the other is.

    The derivative of `jnp.maximum` looks for the entries that are equal to the result:
    where XLA computes them once more, with other roundings, it finds none.
    """
    return jnp.where(jnp.asarray(one) >= other, one, other)


def smaller(one: ScalarLike | Values, other: ScalarLike | Values) -> Values:
    """The smaller of two; NaN if the other is."""
    return jnp.where(jnp.asarray(one) <= other, one, other)


def lerp(start: Values, end: Values, weight: ScalarLike) -> Values:
    """From `start` towards `end` by a fraction of the way."""
    return start + weight * (end - start)


def decayed(grad: Values, param: Values, weight_decay: ScalarLike) -> Values:
    """The gradient of the loss with the penalty `weight_decay / 2 * param**2`."""
    return grad if is_zero(weight_decay) else grad + weight_decay * param
