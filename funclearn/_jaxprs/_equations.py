"""What equations and jaxprs hold."""

from collections.abc import Iterator, Sequence
from types import CodeType
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal, primitives
from jaxtyping import Array

__all__ = [
    "argument_names",
    "called",
    "close",
    "frames",
    "function_name",
    "has_rule",
    "inner_jaxprs",
    "literal",
    "reads",
]

_CALLS = ("call_p", "closed_call_p", "jit_p", "remat_p")
_WITH_RULES = ("custom_jvp_call_p", "custom_vjp_call_p")
# Those that JAX has no public name for: the rule is how to transpose, or to map.
_WITH_OTHER_RULES = ("custom_vmap_call", "linear_call")


def close(jaxpr: ClosedJaxpr | core.Jaxpr) -> ClosedJaxpr:
    """A jaxpr that holds its constants; one that has none need not say so."""
    return jaxpr if isinstance(jaxpr, ClosedJaxpr) else ClosedJaxpr(jaxpr, ())


def inner_jaxprs(equation: JaxprEqn) -> Iterator[ClosedJaxpr]:
    """The jaxprs that an equation holds."""
    for value in equation.params.values():
        # A branch has its jaxprs in a tuple.
        for held in value if isinstance(value, tuple) else (value,):
            if isinstance(held, ClosedJaxpr | core.Jaxpr):
                yield close(held)


def called(equation: JaxprEqn) -> ClosedJaxpr | None:
    """The jaxpr that an equation calls, if it does nothing else; a loop does more."""
    if _is_opaque(equation):
        primitive: Any = equation.primitive
        types = [atom.aval for atom in equation.invars]
        return jax.make_jaxpr(
            lambda *args: primitive.to_lojax(*args, **equation.params)
        )(*types)
    if not (has_rule(equation) or _is_among(equation, _CALLS)):
        return None
    (jaxpr,) = inner_jaxprs(equation)
    return jaxpr


def has_rule(equation: JaxprEqn) -> bool:
    """Whether what an equation calls has a rule of its own, to differentiate or map."""
    return (
        _is_opaque(equation)
        or _is_among(equation, _WITH_RULES)
        or equation.primitive.name in _WITH_OTHER_RULES
    )


def _is_opaque(equation: JaxprEqn) -> bool:
    """Whether an equation holds an object that knows its own jaxpr and rules."""
    return equation.primitive.name == "call_hi_primitive"


def _is_among(equation: JaxprEqn, names: Sequence[str]) -> bool:
    return any(equation.primitive is getattr(primitives, name) for name in names)


def reads(jaxpr: ClosedJaxpr, position: int) -> bool:
    """Whether a jaxpr makes use of its argument at a position."""
    argument = jaxpr.jaxpr.invars[position]
    for equation in jaxpr.eqns:
        inside = called(equation)
        for place, atom in enumerate(equation.invars):
            # What a call is given it may still ignore.
            if atom is argument and (inside is None or reads(inside, place)):
                return True
    return any(atom is argument for atom in jaxpr.jaxpr.outvars)


def literal(atom: Literal) -> Array:
    """The value of a literal, of the type that it has in its jaxpr."""
    aval: Any = atom.aval
    return jnp.asarray(atom.val, aval.dtype)


def argument_names(jaxpr: ClosedJaxpr) -> Sequence[str]:
    """How a function calls its arguments; empty where it does not say."""
    return jaxpr.jaxpr.debug_info.safe_arg_names(len(jaxpr.in_avals))


def function_name(jaxpr: ClosedJaxpr) -> str:
    """The name of the function that a jaxpr was traced from."""
    return jaxpr.jaxpr.debug_info.func_name


def frames(equation: object) -> list[tuple[CodeType, int]]:
    """The code objects and instructions that led to an equation, the innermost first.

    JAX does not document that it keeps them; without them there are none.
    """
    traceback = getattr(getattr(equation, "source_info", None), "traceback", None)
    raw = getattr(traceback, "raw_frames", lambda: ([], []))()
    return list(zip(*raw, strict=True))
