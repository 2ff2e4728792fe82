"""Rounding errors, drawn at random.

A result that was rounded is as good as any other that close to it. So a program is run
again and again, each result multiplied by 1 + u r, with u the rounding unit of the
precision in which it was computed and r drawn from [-1, 1]: by how much the end of the
program moves is by how much rounding may have moved it.

References:
    Parker, Monte Carlo Arithmetic, UCLA technical report CSD-970002, 1997.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Protocol, TypeGuard, TypeVar, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array

__all__ = [
    "Rounding",
    "Value",
    "draw_tables",
    "is_inexact",
    "unit",
    "wide",
    "widen",
]

# Every result takes its random numbers from the same table, beginning elsewhere: that
# compiles in half the time of a generator for each. The stride has no factor in common
# with the length, so that no two of 4096 results begin at the same place.
_TABLE, _STRIDE = 4096, 1597

_T = TypeVar("_T")


@runtime_checkable
class Value(Protocol):
    """An array, or what JAX has in a program for a constant."""

    @property
    def dtype(self) -> np.dtype: ...


@dataclasses.dataclass(frozen=True)
class Rounding:
    """One way to round all results of a program; without a table they are exact.

    Attributes:
        table: random numbers, from `draw_tables`.
        constants: whether constants are rounded too. One of float32 stands for every
            number that rounds to it, unless it is an integer or has so few digits
            that it is surely meant as it is.
    """

    table: Array | None = None
    constants: bool = True
    _places: Iterator[int] = dataclasses.field(
        default_factory=lambda: itertools.count(step=_STRIDE)
    )

    def result(self, value: Value, error: float | np.ndarray) -> Value:
        """Rounds a result; `error` is the largest relative error, a number or array."""
        if self.table is None or not is_inexact(value):
            return value
        start = next(self._places) % _TABLE
        noise = self.table[start : start + min(value.size, _TABLE)]
        return value * (1 + error * jnp.resize(noise, value.shape))

    def constant(self, value: Value) -> Value:
        """Rounds a constant that the program holds."""
        if not is_inexact(value):
            return value
        digits = np.asarray(value)
        if self.table is None or not self.constants:
            return widen(digits)
        return self.result(widen(digits), _was_rounded(digits) * unit(digits.dtype))


def _was_rounded(digits: np.ndarray) -> np.ndarray | np.bool:
    """Which constants are neither integers nor have the few digits of bfloat16."""
    with np.errstate(over="ignore"):
        short = np.real(digits).astype(jnp.bfloat16).astype(np.real(digits).dtype)
    is_integer = (digits == np.rint(digits)) & (np.abs(digits) * unit(digits.dtype) < 1)
    return np.logical_not(is_integer | (short == digits))


def draw_tables(count: int) -> np.ndarray:
    """Random numbers for so many roundings, `(1 + count, ...)`: the first is exact."""
    # A result may begin at the last place of a table, and takes as many as there are.
    tables = np.random.default_rng(0).uniform(-1, 1, (1 + count, 2 * _TABLE))
    tables[0] = 0
    return tables


def unit(dtype: DTypeLike) -> float:
    """The largest relative error of rounding to nearest."""
    return float(jnp.finfo(dtype).eps) / 2


def is_inexact(value: Value) -> TypeGuard[Array]:
    """Whether an array is floating-point or complex."""
    return jnp.issubdtype(value.dtype, jnp.inexact)


def wide(dtype: _T) -> _T | np.dtype:
    """The widest type of the same kind; anything but floating-point types is kept."""
    if not isinstance(dtype, np.dtype) or not jnp.issubdtype(dtype, jnp.inexact):
        return dtype
    is_complex = jnp.issubdtype(dtype, jnp.complexfloating)
    return np.dtype(np.complex128 if is_complex else np.float64)


def widen(value: Value) -> Value:
    """Casts an array up to float64 or complex128, unless it holds integers or keys."""
    return jnp.asarray(value, wide(value.dtype)) if is_inexact(value) else value
