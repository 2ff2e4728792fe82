"""Traced functions, carried out in their own precision."""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import jax
from jaxtyping import PyTree

from funclearn import _jaxprs
from funclearn._jaxprs import ClosedJaxpr, JaxprEqn
from funclearn.gradients._rounding import Value

__all__ = ["Program", "program_of"]


class Program(NamedTuple):
    """A traced function; calling it carries it out in its own precision.

    What it gives cannot be differentiated by rules of the function's own.

    Attributes:
        jaxpr: what was traced.
        structure: that of what it gives.
        params: where the parameters are among the arrays that it takes.
    """

    jaxpr: ClosedJaxpr
    structure: Hashable
    params: range

    def __call__(self, *args: PyTree) -> PyTree:
        """Carries it out, like the function."""
        results = _carry_out(self.jaxpr, jax.tree.leaves(args))
        return jax.tree.unflatten(self.structure, results)


def program_of(
    function: Callable[..., PyTree],
    *args: PyTree,
    x64: bool,
    params: range | None = None,
) -> Program:
    """Traces a function in the precision of its arguments.

    Args:
        function: any function that JAX can trace.
        *args: pytrees of arrays.
        x64: whether 64-bit types are enabled for the function.
        params: where the parameters are among the arrays in the arguments; all of them
            are if nothing is said.
    """
    with jax.enable_x64(x64):
        types = jax.tree.map(jax.typeof, args)
        jaxpr, results = jax.make_jaxpr(function, return_shape=True)(*types)
    if params is None:
        params = range(len(jaxpr.in_avals))
    return Program(jaxpr, jax.tree.structure(results), params)


def _carry_out(jaxpr: ClosedJaxpr, args: Sequence[Value]) -> Sequence[Value]:
    if not any(map(_holds_rule, jaxpr.eqns)):
        return _jaxprs.jaxpr_as_fun(jaxpr)(*args)

    # Rules often refer to the function that they belong to: what is compiled would hold
    # them, and by them the function, which must not outlive its last user.
    def rule(equation: JaxprEqn, operands: list[Value]) -> Sequence[Value]:
        called = _jaxprs.called(equation)
        if called is not None and _holds_rule(equation):
            return _carry_out(called, operands)
        return _jaxprs.apply(equation, operands)

    return _jaxprs.interpret(jaxpr, args, rule)


def _holds_rule(equation: JaxprEqn) -> bool:
    if _jaxprs.has_rule(equation):
        return True
    called = _jaxprs.called(equation)
    return called is not None and any(map(_holds_rule, called.eqns))
