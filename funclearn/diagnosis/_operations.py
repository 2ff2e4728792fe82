"""Which operation of a program makes finite numbers into others."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._jaxprs import ClosedJaxpr, JaxprEqn, bind, called, interpret

__all__ = ["Operation", "first_not_finite_operation"]

# Operations with points where they have no value; the others only grow too large.
_WITH_DOMAINS = frozenset(
    "acos acosh asin atanh cholesky digamma div integer_pow lgamma log log1p pow rem "
    "rsqrt sqrt triangular_solve".split()
)
# Whoever overflows from numbers beyond has been led there by something else.
_LARGE = 1e12


class Operation(NamedTuple):
    """An operation that is given finite numbers and returns others.

    Attributes:
        name: as JAX calls it.
        low: the smallest number that it is given.
        high: the largest one.
        overflows: whether its result is too large, where it has one.
    """

    name: str
    low: float
    high: float
    overflows: bool

    @property
    def tells(self) -> bool:
        """Whether it says more than that the numbers had grown without end."""
        return not self.overflows or max(-self.low, self.high) < _LARGE

    def __str__(self) -> str:
        """The operation, and from what to what its operands reach."""
        return f"{self.name} of numbers from {self.low:.4g} to {self.high:.4g}"


def first_not_finite_operation(
    function: Callable[..., PyTree], *arguments: PyTree
) -> Operation | None:
    """The first operation that makes finite numbers into others.

    It looks into functions that are called, not into loops.

    Args:
        function: is evaluated at the arguments, operation by operation.
        *arguments: pytrees of arrays.
    """
    found: list[Operation] = []

    def rule(equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
        inside = called(equation)
        if inside is not None:
            return interpret(inside, operands, rule)
        results = bind(equation, operands)
        if not found and _finite(operands) and not _finite(results):
            found.append(_operation(equation, operands, results))
        return results

    program: ClosedJaxpr = jax.make_jaxpr(function)(*arguments)
    interpret(program, jax.tree.leaves(arguments), rule)
    return found[0] if found else None


def _numbers(values: Sequence[Any]) -> list[np.ndarray]:
    arrays = [value for value in values if _is_floating(value)]
    return [np.asarray(value, np.float64) for value in arrays if np.size(value)]


def _is_floating(value: Any) -> bool:
    return jnp.issubdtype(getattr(value, "dtype", type(value)), jnp.floating)


def _finite(values: Sequence[Any]) -> bool:
    return all(np.isfinite(array).all() for array in _numbers(values))


def _operation(
    equation: JaxprEqn, operands: Sequence[Any], results: Sequence[Any]
) -> Operation:
    given, made = _numbers(operands), _numbers(results)
    name = equation.primitive.name
    lacks = any(np.isnan(array).any() for array in made)
    if name in _WITH_DOMAINS:
        # Large powers of large numbers are too large; powers of zero are not.
        low = min(float(np.abs(array).min()) for array in given)
        lacks = lacks or low == 0
    return Operation(
        name=name,
        low=min(float(array.min()) for array in given),
        high=max(float(array.max()) for array in given),
        overflows=not lacks,
    )
