"""Refusals of bad settings of rules; what is traced passes.

A string or an array among the settings would be compared with losses inside the
compiled loop, and a NaN is never reached: neither would be noticed.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from funclearn._checks import check_at_least_one, check_not_negative
from funclearn._jaxprs import Tracer

__all__ = [
    "check_count",
    "check_quantity",
    "check_size",
    "check_start",
    "check_value",
]

_QUANTITIES = (
    "'loss', 'validation', the name of an entry of what evaluate returns, or None"
)


def check_value(name: str, value: object) -> None:
    """Refuses everything but one real number.

    Raises:
        TypeError: if it is no number.
        ValueError: if it is NaN or has a shape.
    """
    _check_real(name, value, jnp.number, "a real number")
    if math.isnan(_known(value, 0.0)):
        raise ValueError(f"{name} must be a number; got nan.")


def check_size(name: str, value: object, *, at_least_one: bool = False) -> None:
    """Refuses everything but one real number of at least 0, or of at least 1.

    Raises:
        TypeError: if it is no number.
        ValueError: if it is less, or NaN, or has a shape.
    """
    _check_real(name, value, jnp.number, "a real number")
    check = check_at_least_one if at_least_one else check_not_negative
    check(name, _known(value, 1.0))


def check_count(name: str, value: object) -> None:
    """Refuses everything but one integer of at least 1.

    A traced number may be of any type: a sweep makes one array of all its values.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is less than 1 or has a shape.
    """
    _check_integer(name, value)
    check_at_least_one(name, _known(value, 1.0))


def check_start(name: str, value: object) -> None:
    """Refuses everything but one integer of at least 0.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is negative or has a shape.
    """
    _check_integer(name, value)
    check_not_negative(name, _known(value, 0.0))


def check_quantity(name: str, on: object) -> None:
    """Refuses what names no quantity and is not None.

    Raises:
        TypeError: if it is no string.
        ValueError: if it is empty.
    """
    if on is not None and not isinstance(on, str):
        raise TypeError(f"{name} must be {_QUANTITIES}; got {on!r}.")
    if on in ("", "evaluation."):
        raise ValueError(f"{name} must be {_QUANTITIES}; got {on!r}.")


def _check_integer(name: str, value: object) -> None:
    traced = isinstance(value, Tracer)
    _check_real(name, value, jnp.number if traced else jnp.integer, "an integer")


def _check_real(name: str, value: object, kind: type, needed: str) -> None:
    numbers = (int, float, np.generic, np.ndarray, jax.Array)
    if isinstance(value, bool) or not isinstance(value, numbers):
        raise TypeError(f"{name} must be {needed}; got {value!r}.")
    dtype = jnp.result_type(value)
    if jnp.issubdtype(dtype, jnp.complexfloating) or not jnp.issubdtype(dtype, kind):
        raise TypeError(f"{name} must be {needed}; got {value!r} of type {dtype}.")
    if jnp.shape(value):
        raise ValueError(
            f"{name} must be one number; got an array of shape {jnp.shape(value)}."
        )


def _known(value: Any, otherwise: float) -> float:
    """The value as a Python number, if it is known while tracing."""
    return otherwise if isinstance(value, Tracer) else float(value)
