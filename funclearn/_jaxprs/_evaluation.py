"""Evaluating jaxprs, equation by equation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from jax.extend import core
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal, Var

from funclearn._jaxprs._equations import close
from funclearn._jaxprs._tracing import eval_jaxpr

__all__ = ["apply", "bind", "interpret", "single"]

V = TypeVar("V")


def interpret(
    jaxpr: ClosedJaxpr,
    arguments: Sequence[V],
    rule: Callable[[JaxprEqn, list[V]], Sequence[V]],
    constant: Callable[[Any], Any] = lambda value: value,
) -> list[V]:
    """Goes through the equations of a jaxpr, but not into the jaxprs that they hold.

    What stands for a value is up to the rule: an array, a node, what is known of it.

    Args:
        jaxpr: the program.
        arguments: what stands for its arguments.
        rule: makes of an equation, and of what stands for its operands, what stands for
            its results.
        constant: makes of the value of a constant or a literal what stands for it; a
            literal comes as an array of the type that it has in the jaxpr.

    Returns:
        What stands for its results.
    """
    known = dict(zip(jaxpr.jaxpr.constvars, map(constant, jaxpr.consts), strict=True))
    known |= zip(jaxpr.jaxpr.invars, arguments, strict=True)

    def read(atom: Var | Literal) -> V:
        return constant(_array(atom)) if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        results = rule(equation, list(map(read, equation.invars)))
        known |= zip(equation.outvars, results, strict=True)
    return list(map(read, jaxpr.jaxpr.outvars))


def _array(literal: Literal) -> np.ndarray:
    """What a literal holds; that may be a number of Python's, which has no dtype."""
    aval: Any = literal.aval
    return np.asarray(literal.val, aval.dtype)


def single(equation: JaxprEqn, operands: Sequence[Var]) -> ClosedJaxpr:
    """An equation as a jaxpr of its own.

    Args:
        equation: the equation.
        operands: its variables, in the order of the jaxpr's arguments.
    """
    results = equation.outvars
    # A jaxpr must say where it came from, for JAX's own messages.
    info = core.DebugInfo("trace", equation.primitive.name, None, None)
    return close(core.Jaxpr((), operands, results, [equation], equation.effects, info))


def apply(equation: JaxprEqn, operands: Sequence[Any]) -> list[Any]:
    """Evaluates an equation in the context in which it was traced, marks included."""
    pairs = zip(equation.invars, operands, strict=True)
    known = [(atom, value) for atom, value in pairs if not isinstance(atom, Literal)]
    alone = single(equation, [atom for atom, _ in known])
    return eval_jaxpr(alone.jaxpr, (), *(value for _, value in known))


def bind(
    equation: JaxprEqn,
    operands: Sequence[Any],
    params: Mapping[str, object] = {},
) -> list[Any]:
    """Evaluates an equation anywhere, with some of its parameters replaced."""
    primitive: Any = equation.primitive
    # What calls a function holds its jaxpr, and takes a function to bind.
    bound = primitive.get_bind_params({**equation.params, **params})
    results = primitive.bind(*operands, **bound)
    return results if primitive.multiple_results else [results]
