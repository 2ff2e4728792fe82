"""The arguments of schedules: numbers, counts, and functions of them.

All that decides between pieces of a schedule is computed with integers, which are exact
in every precision; the number itself in the widest precision that JAX is set to.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from funclearn._arrays import is_known
from funclearn._checks import is_static_number
from funclearn._types import ScalarLike
from funclearn._words import described
from funclearn.optimizers._numbers import checked

__all__ = [
    "Schedule",
    "as_number",
    "check_choice",
    "check_function",
    "number",
    "whole",
]

Schedule: TypeAlias = Callable[[Any], Float[Array, "..."]]
"""`count -> number`, as optax's."""


def as_number(value: ArrayLike) -> Float[Array, "..."]:
    """Numbers in the widest precision that JAX is set to."""
    return jnp.asarray(value, jnp.result_type(float))


def number(name: str, value: ScalarLike, **limits: float) -> ScalarLike:
    """Returns one number of Python's, or a scalar array.

    Args:
        name: the argument to name in messages.
        value: what was given.
        limits: as `checked` has them.

    Raises:
        TypeError: if it is no number.
        ValueError: if its value is known and not allowed.
    """
    if callable(value):
        raise TypeError(f"{name} must be a number; got {described(value)}.")
    known: Any = checked(name, value, **limits)
    return known


def whole(name: str, value: Any, at_least: int = 1) -> int | Int[Array, ""]:
    """Returns a whole number, as an integer of Python's or of JAX's.

    A traced one may be of any type: a sweep makes one array of all its values.

    Raises:
        TypeError: if it is no number.
        ValueError: if its value is known and no integer, or too small.
    """
    value = number(name, value)
    if not (is_static_number(value) or is_known(value)):
        return jnp.asarray(value).astype(jnp.int32)
    if not (float(value).is_integer() and value >= at_least):
        raise ValueError(
            f"{name} must be an integer of at least {at_least}; got {value}."
        )
    return int(value)


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuses what is none of some strings.

    Raises:
        ValueError: if it is something else.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}."
        )


def check_function(name: str, function: object) -> None:
    """Refuses what cannot be called.

    Raises:
        TypeError: if it cannot.
    """
    if not callable(function):
        raise TypeError(
            f"{name} must be a function of the count; got {described(function)}."
        )
