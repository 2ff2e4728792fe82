"""Programs that compute nothing twice, and nothing that is not needed.

XLA finds both out by itself, but for one device later than for several, and in between
replaces divisions by what nobody else divides by (jaxlib 0.10.2 to 0.12.0.1). So what
is written down twice may be rounded otherwise on one device than on several.
"""

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn, primitives
from jaxtyping import PyTree

from funclearn._jaxprs._equations import close
from funclearn._jaxprs._evaluation import apply, interpret
from funclearn._jaxprs._tracing import eval_jaxpr, split_constants

__all__ = ["without_repetition"]


def without_repetition(function: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """The same function, which evaluates no expression twice.

    Expressions in what it calls are found, those in loops and branches are not.

    Args:
        function: of pytrees of arrays, to a pytree of arrays.
    """

    @functools.wraps(function)
    def once(*arguments: PyTree) -> PyTree:
        trace = jax.make_jaxpr(function, return_shape=True)
        closed, shapes = trace(*arguments)
        leaves = jax.tree.leaves(arguments)
        merged = jax.make_jaxpr(lambda *leaves: _merged(closed, leaves))(*leaves)
        jaxpr, constants = split_constants(merged)
        results = eval_jaxpr(_needed(jaxpr), (), *constants, *leaves)
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return once


def _merged(jaxpr: ClosedJaxpr, arguments: Sequence[Any]) -> list[Any]:
    # Results with the operands, by whose identities they are known.
    seen: dict[Hashable, tuple[Any, Sequence[Any]]] = {}

    def once(key: Hashable, operands: Any, make: Callable[[], Sequence[Any]]) -> Any:
        if key not in seen:
            seen[key] = operands, make()
        return seen[key][1]

    def whole(value: Any, shape: tuple[int, ...]) -> Any:
        # A division repeats its divisor by itself, for which XLA has another operation.
        if isinstance(value, np.ndarray) or np.shape(value) == shape:
            return value
        axes = tuple(range(np.ndim(value)))
        key = "whole", id(value), shape
        make = functools.partial(jax.lax.broadcast_in_dim, value, shape, axes)
        return once(key, value, lambda: [make()])[0]

    def rule(equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
        if equation.primitive is primitives.jit_p and not equation.ctx.xla_metadata:
            return interpret(close(equation.params["jaxpr"]), operands, rule)
        if equation.primitive is primitives.div_p:
            result: Any = equation.outvars[0].aval
            operands = [whole(operand, result.shape) for operand in operands]
        key = _key(equation, operands)
        if key is None:
            return apply(equation, operands)
        return once(key, operands, lambda: apply(equation, operands))

    return interpret(jaxpr, arguments, rule)


def _key(equation: JaxprEqn, operands: list[Any]) -> Hashable:
    """What two equations of equal results have in common; None if nobody can say."""
    if equation.effects:
        return None
    values = tuple(map(_identity, operands))
    key = equation.primitive, values, tuple(sorted(equation.params.items()))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _identity(value: Any) -> Hashable:
    """What tells a value from others: of a number what it is."""
    if isinstance(value, np.ndarray) and not value.shape:
        return value.dtype, value.tobytes()
    return id(value)


def _needed(jaxpr: Any) -> Any:
    """A jaxpr without equations whose results nobody reads."""
    read, kept = set(map(id, jaxpr.outvars)), []
    for equation in reversed(jaxpr.eqns):
        if equation.effects or read & set(map(id, equation.outvars)):
            kept.append(equation)
            read |= set(map(id, equation.invars))
    return jaxpr.replace(eqns=kept[::-1])
