"""Where runs are in a sweep, by names and values."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn.sweeps._values import Static, is_numeric, number_of

__all__ = ["axis_of", "is_equal", "numbers_of", "one_place"]

Axes: TypeAlias = Sequence[Sequence[str]]
"""For every axis the names that vary along it."""


def axis_of(name: str, axes: Axes) -> int:
    """The axis along which a name varies.

    Raises:
        ValueError: if there is none.
    """
    for axis, names in enumerate(axes):
        if name in names:
            return axis
    known = ", ".join(name for names in axes for name in names) or "none left"
    raise ValueError(f"{name!r} must be an axis of the sweep; it has {known}.")


def one_place(
    axes: Axes, matches: Mapping[str, np.ndarray], given: Mapping[str, object]
) -> tuple[int | slice, ...]:
    """The one position of every axis where all its names match.

    Args:
        axes: of the sweep.
        matches: by name, at which positions of its axis it matches.
        given: what was asked for, by name, for messages.

    Raises:
        ValueError: if there is none, or more than one.
    """
    index: list[int | slice] = [slice(None)] * len(axes)
    for axis, names in enumerate(axes):
        asked = {name: given[name] for name in names if name in given}
        if not asked:
            continue
        found = np.flatnonzero(np.all([matches[name] for name in asked], axis=0))
        if len(found) != 1:
            raise ValueError(
                f"{asked} must be at one position of the sweep; it is at "
                f"{found.tolist()}."
            )
        index[axis] = int(found[0])
    return tuple(index)


def is_equal(name: str, values: Mapping[str, PyTree], value: Any) -> np.ndarray:
    """Which of the values of a name are equal to one, but for rounding.

    Raises:
        TypeError: if `value` is no number, and they are.
        ValueError: if they are neither numbers nor static, or there is no such name.
    """
    of_name = values.get(name)
    if isinstance(of_name, Static):
        return np.array([one == value for one in of_name])
    numbers = numbers_of(name, values)
    number_of(name, value)
    if not jnp.issubdtype(numbers.dtype, jnp.floating):
        return numbers == value
    # Values that were computed in their own precision and ones that were typed in
    # differ by a few roundings.
    tolerance = 4 * float(jnp.finfo(numbers.dtype).eps)
    return np.isclose(numbers, value, rtol=tolerance, atol=0)


def numbers_of(name: str, values: Mapping[str, PyTree]) -> np.ndarray:
    """The values of a name, which are numbers.

    Raises:
        ValueError: if they are none, or there is no such name.
    """
    axis_of(name, [list(values)])
    of_name = values[name]
    if not is_numeric(of_name, ndim=1):
        raise ValueError(f"{name} holds no numbers to compare; at takes positions.")
    return np.asarray(of_name)
