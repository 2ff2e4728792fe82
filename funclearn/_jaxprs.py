"""What the library knows of JAX's inside, and the only place that does.

A jaxpr is JAX's record of a traced function: equations, each a primitive applied to
variables and literals, some of them holding further jaxprs. All that JAX has for
extensions, as an experiment or undocumented is imported here, and what differs between
its versions ends here:

- before 0.11 a jaxpr that holds its constants is a class of its own, `ClosedJaxpr`, and
  the jaxprs of some equations are not closed; since then there is one class;
- since 0.11 the calls that are not `jax.jit` are one primitive, `eval_jaxpr`, and the
  parameters of a scan no longer count its operands.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import ShapedArray, Tracer, eval_jaxpr
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array

if TYPE_CHECKING:
    from jax.extend.core import (
        ClosedJaxpr,
        DropVar,
        JaxprEqn,
        Literal,
        Var,
        jaxpr_as_fun,
        primitives,
        valid_jaxtype,
    )

__all__ = [
    "ClosedJaxpr",
    "DropVar",
    "JaxprEqn",
    "Literal",
    "Scan",
    "ShapedArray",
    "Tracer",
    "Var",
    "While",
    "apply",
    "argument_names",
    "bind",
    "called",
    "close",
    "eval_jaxpr",
    "frames",
    "function_name",
    "has_rule",
    "inner_jaxprs",
    "interpret",
    "is_key",
    "jaxpr_as_fun",
    "linear_solver",
    "literal",
    "marked",
    "primitives",
    "reads",
    "scan_of",
    "single",
    "split_constants",
    "valid_jaxtype",
    "while_of",
]

_CALLS = ("call_p", "closed_call_p", "jit_p", "remat_p")
_WITH_RULES = ("custom_jvp_call_p", "custom_vjp_call_p")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_extensions(), name)


def _extensions() -> Any:
    # Its import takes 30 ms, which whoever only trains need not pay.
    return importlib.import_module("jax.extend.core")


def interpret(
    jaxpr: "ClosedJaxpr",
    arguments: Sequence[Any],
    rule: Callable[["JaxprEqn", list[Any]], Sequence[Any]],
    constant: Callable[[Any], Any] = lambda value: value,
) -> list[Any]:
    """Goes through the equations of a jaxpr, but not into the jaxprs that they hold.

    What stands for a value is up to the rule: an array, a node, what is known of it.

    Args:
        jaxpr: the program.
        arguments: what stands for its arguments.
        rule: makes of an equation, and of what stands for its operands, what stands for
            its results.
        constant: makes of the value of a constant or a literal what stands for it.

    Returns:
        What stands for its results.
    """
    literals = _extensions().Literal
    known = dict(zip(jaxpr.jaxpr.constvars, map(constant, jaxpr.consts), strict=True))
    known |= zip(jaxpr.jaxpr.invars, arguments, strict=True)

    def read(atom: Any) -> Any:
        return constant(atom.val) if isinstance(atom, literals) else known[atom]

    for equation in jaxpr.eqns:
        results = rule(equation, list(map(read, equation.invars)))
        known |= zip(equation.outvars, results, strict=True)
    return list(map(read, jaxpr.jaxpr.outvars))


def close(jaxpr: Any) -> "ClosedJaxpr":
    """A jaxpr that holds its constants; one that has none need not say so."""
    closed = _extensions().ClosedJaxpr
    return jaxpr if isinstance(jaxpr, closed) else closed(jaxpr, ())


def split_constants(jaxpr: "ClosedJaxpr") -> tuple[Any, list[Any]]:
    """Turns the constants of a jaxpr into its first arguments.

    Returns:
        The jaxpr, for `eval_jaxpr`, and the values of its constants.
    """
    inside = jaxpr.jaxpr
    arguments = [*inside.constvars, *inside.invars]
    return inside.replace(constvars=[], invars=arguments), list(jaxpr.consts)


def single(equation: "JaxprEqn", operands: Sequence[Any]) -> "ClosedJaxpr":
    """An equation as a jaxpr of its own.

    Args:
        equation: the equation.
        operands: its variables, in the order of the jaxpr's arguments.
    """
    core, results = _extensions(), equation.outvars
    info = core.DebugInfo("trace", equation.primitive.name, None, None)
    return close(core.Jaxpr((), operands, results, [equation], equation.effects, info))


def apply(equation: "JaxprEqn", operands: Sequence[Any]) -> list[Any]:
    """Evaluates an equation in the context in which it was traced, marks included."""
    literals = _extensions().Literal
    pairs = zip(equation.invars, operands, strict=True)
    known = [(atom, value) for atom, value in pairs if not isinstance(atom, literals)]
    alone = single(equation, [atom for atom, _ in known])
    return eval_jaxpr(alone.jaxpr, (), *(value for _, value in known))


def bind(
    equation: "JaxprEqn", operands: Sequence[Any], params: Mapping[str, Any] = {}
) -> list[Any]:
    """Evaluates an equation anywhere, with some of its parameters replaced."""
    primitive: Any = equation.primitive
    bound = primitive.get_bind_params({**equation.params, **params})
    results = primitive.bind(*operands, **bound)
    return results if primitive.multiple_results else [results]


def inner_jaxprs(equation: "JaxprEqn") -> Iterator["ClosedJaxpr"]:
    """The jaxprs that an equation holds."""
    core = _extensions()
    for value in equation.params.values():
        for held in value if isinstance(value, tuple) else (value,):
            if isinstance(held, core.ClosedJaxpr | core.Jaxpr):
                yield close(held)


def called(equation: "JaxprEqn") -> "ClosedJaxpr | None":
    """The jaxpr that an equation calls, if it does nothing else; a loop does more."""
    if not _is_among(equation, (*_CALLS, *_WITH_RULES)):
        return None
    (jaxpr,) = inner_jaxprs(equation)
    return jaxpr


def has_rule(equation: "JaxprEqn") -> bool:
    """Whether what an equation calls has a derivative rule of its own."""
    return _is_among(equation, _WITH_RULES)


def _is_among(equation: "JaxprEqn", names: Sequence[str]) -> bool:
    known = _extensions().primitives
    return any(equation.primitive is getattr(known, name) for name in names)


def reads(jaxpr: "ClosedJaxpr", position: int) -> bool:
    """Whether a jaxpr makes use of its argument at a position."""
    argument = jaxpr.jaxpr.invars[position]
    for equation in jaxpr.eqns:
        inside = called(equation)
        for place, atom in enumerate(equation.invars):
            if atom is argument and (inside is None or reads(inside, place)):
                return True
    return any(atom is argument for atom in jaxpr.jaxpr.outvars)


class Scan(NamedTuple):
    """A scan and its operands.

    Attributes:
        body: `(*constants, *carry, *row) -> (*carry, *row of results)`.
        constants: what every step is given.
        carry: what a step hands to the next one, before the first.
        rows: what is scanned.
        length: number of steps.
        reverse: whether the last row comes first.
    """

    body: "ClosedJaxpr"
    constants: list[Any]
    carry: list[Any]
    rows: list[Any]
    length: int
    reverse: bool


def scan_of(equation: "JaxprEqn", operands: list[Any]) -> Scan:
    """Takes a scan apart: a row has one axis less than what is scanned."""
    (body,) = inner_jaxprs(equation)

    def n_whole(atoms: Sequence[Any], types: Sequence[Any]) -> int:
        pairs = zip(atoms, types, strict=True)
        return sum(atom.aval.shape == one.shape for atom, one in pairs)

    end = n_whole(equation.invars, body.in_avals)
    start = end - n_whole(equation.outvars, body.out_avals)
    return Scan(
        body,
        operands[:start],
        operands[start:end],
        operands[end:],
        equation.params["length"],
        equation.params["reverse"],
    )


class While(NamedTuple):
    """A while loop and its operands.

    Attributes:
        test: `(*test_constants, *carry) -> whether to go on`.
        test_constants: what the test is given every time.
        body: `(*constants, *carry) -> carry`.
        constants: what every step is given.
        carry: what a step hands to the next one, before the first.
    """

    test: "ClosedJaxpr"
    test_constants: list[Any]
    body: "ClosedJaxpr"
    constants: list[Any]
    carry: list[Any]


def while_of(equation: "JaxprEqn", operands: list[Any]) -> While:
    """Takes a while loop apart."""
    params = equation.params
    start = params["cond_nconsts"]
    end = start + params["body_nconsts"]
    return While(
        close(params["cond_jaxpr"]),
        operands[:start],
        close(params["body_jaxpr"]),
        operands[start:end],
        operands[end:],
    )


def linear_solver(
    equation: "JaxprEqn", operands: list[Any]
) -> tuple["ClosedJaxpr", list[Any]]:
    """What a custom linear solve calls to solve, and with which arguments."""
    lengths = equation.params["const_lengths"]
    start = lengths.matvec + lengths.vecmat
    constants = operands[start : start + lengths.solve]
    jaxpr = close(equation.params["jaxprs"].solve)
    return jaxpr, [*constants, *operands[sum(lengths) :]]


def literal(atom: "Literal") -> Array:
    """The value of a literal, of the type that it has in its jaxpr."""
    aval: Any = atom.aval
    return jnp.asarray(atom.val, aval.dtype)


def marked(function: Callable[..., Any], marks: Mapping[str, str]) -> Any:
    """Jits a function so that XLA finds marks, attributes, on its calls."""

    def unmarked(*args: Any) -> Any:
        # Nothing within carries them: JAX may keep what it traces for other programs.
        with set_xla_metadata(**dict.fromkeys(marks)):
            return function(*args)

    def call(*args: Any) -> Any:
        with set_xla_metadata(**marks):
            return jax.jit(unmarked)(*args)

    return call


def is_key(dtype: Any) -> bool:
    """Whether a dtype is that of typed keys."""
    return jnp.issubdtype(dtype, jax.dtypes.prng_key)


def argument_names(jaxpr: "ClosedJaxpr") -> Sequence[str]:
    """How a function calls its arguments; empty where it does not say."""
    return jaxpr.jaxpr.debug_info.safe_arg_names(len(jaxpr.in_avals))


def function_name(jaxpr: "ClosedJaxpr") -> str:
    """The name of the function that a jaxpr was traced from."""
    return jaxpr.jaxpr.debug_info.func_name


def frames(equation: Any) -> list[tuple[Any, int]]:
    """The code objects and instructions that led to an equation, the innermost first.

    JAX does not document that it keeps them; without them there are none.
    """
    traceback = getattr(getattr(equation, "source_info", None), "traceback", None)
    raw = getattr(traceback, "raw_frames", lambda: ([], []))()
    return list(zip(*raw, strict=True))
