"""One equation of a jaxpr: its value, its derivative, and what runs inside it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jax_core
import jax.numpy as jnp
from jax.extend.core import primitives
from jaxtyping import Array

__all__ = [
    "Inside",
    "Values",
    "evaluate",
    "inside",
    "is_inexact",
    "literal",
    "pullback",
]

Values = Mapping[jax_core.Var, Any]
"""The values of an equation's operands, literals apart."""


class Inside(NamedTuple):
    """A call of the function that an equation holds.

    Attributes:
        jaxpr: the function.
        operands: the operands of the equation that are its arguments, in order.
        arguments: their values in this call.
        cotangents: the output's gradient with respect to each of its results, None
            standing for zero; None for a function whose derivative is not used.
    """

    jaxpr: jax_core.ClosedJaxpr
    operands: Sequence[Any]
    arguments: Sequence[Any]
    cotangents: Sequence[Any] | None

    @property
    def names(self) -> Sequence[str]:
        """How the function calls its arguments; empty where it does not say."""
        return self.jaxpr.jaxpr.debug_info.safe_arg_names(len(self.operands))


def is_inexact(array: Any) -> bool:
    """Whether an array is real or complex floating-point, so that it has a gradient."""
    return bool(jnp.issubdtype(array.dtype, jnp.inexact))


def literal(atom: jax_core.Literal) -> Array:
    """The value of a literal, of the type that it has in its jaxpr."""
    aval: Any = atom.aval
    return jnp.asarray(atom.val, aval.dtype)


def evaluate(equation: jax_core.JaxprEqn, values: Values) -> list[Array]:
    """Computes the results of an equation, as a jaxpr of this equation alone."""
    debug_info = jax_core.DebugInfo("trace", equation.primitive.name, None, None)
    jaxpr = jax_core.Jaxpr(
        (), [*values], equation.outvars, [equation], equation.effects, debug_info
    )
    results = jax_core.jaxpr_as_fun(jax_core.ClosedJaxpr(jaxpr, ()))(*values.values())
    return [*map(jnp.asarray, results)]  # what passes a literal on is no array


def pullback(
    equation: jax_core.JaxprEqn, values: Values, active: Sequence[jax_core.Var]
) -> Callable[[Sequence[Any]], Sequence[Array]]:
    """Differentiates an equation in reverse mode.

    Args:
        equation: the equation.
        values: the values of its operands.
        active: the operands to differentiate with respect to.

    Returns:
        A function from one cotangent a floating-point result to one an active operand.

    Raises:
        ValueError: if a custom rule closes over a value of the traced function.
    """
    compute = evaluate
    if equation.primitive is primitives.while_p:
        # A while loop has no reverse mode, but its number of trips is known here.
        trips = _trips(equation, values)

        def compute(equation: jax_core.JaxprEqn, values: Values) -> list[Array]:
            return _repeat(_while_loop(equation, values), trips)

    def function(*moved: Array) -> list[Array]:
        results = compute(equation, {**values, **dict(zip(active, moved, strict=True))})
        return [result for result in results if is_inexact(result)]

    try:
        return jax.vjp(function, *(values[variable] for variable in active))[1]
    except jax.errors.UnexpectedTracerError:
        raise ValueError(
            "a derivative rule must not close over what is computed from the inputs of "
            f"the traced function; that of {_function_name(equation)} does. Make it an "
            "argument."
        ) from None


def inside(
    equation: jax_core.JaxprEqn, values: Values, cotangents: Sequence[Any]
) -> Inside | None:
    """Finds the function that an equation holds, and one call of it.

    For a branch it is the one taken, for a loop its last step; a custom rule hides
    the derivatives of its function.

    Args:
        equation: the equation.
        values: the values of its operands.
        cotangents: the output's gradient with respect to its results.

    Returns:
        The call; None where there is no such function, or it is never called.
    """
    operands, params = _in_order(equation, values), equation.params
    match equation.primitive:
        case primitives.cond_p:
            last = len(params["branches"]) - 1
            branch = params["branches"][min(max(int(operands[0]), 0), last)]
            return Inside(branch, equation.invars[1:], operands[1:], cotangents)
        case primitives.custom_jvp_call_p | primitives.custom_vjp_call_p:
            return Inside(params["call_jaxpr"], equation.invars, operands, None)
        case primitives.scan_p:
            loop = _scan_loop(equation, values)
            return _last_step(loop, params["length"], cotangents)
        case primitives.while_p:
            loop = _while_loop(equation, values)
            return _last_step(loop, _trips(equation, values), cotangents)
    return None


class _Loop(NamedTuple):
    """A loop over `body(*fixed, *carry, *row) -> (*carry, *row of results)`."""

    body: jax_core.ClosedJaxpr
    operands: Sequence[Any]
    fixed: list[Any]
    carry: list[Any]
    rows: list[Any]
    reverse: bool = False


def _scan_loop(equation: jax_core.JaxprEqn, values: Values) -> _Loop:
    params, operands = equation.params, _in_order(equation, values)
    start, stop = params["num_consts"], params["num_consts"] + params["num_carry"]
    return _Loop(
        params["jaxpr"],
        equation.invars,
        operands[:start],
        operands[start:stop],
        operands[stop:],
        params["reverse"],
    )


def _while_loop(equation: jax_core.JaxprEqn, values: Values) -> _Loop:
    params, operands = equation.params, _in_order(equation, values)
    start = params["cond_nconsts"]
    stop = start + params["body_nconsts"]
    if params["cond_jaxpr"].out_avals[0].shape:
        start, body = 0, jax.make_jaxpr(_masked_body(params))(*operands)
    else:
        body = params["body_jaxpr"]
    return _Loop(
        body, equation.invars[start:], operands[start:stop], operands[stop:], []
    )


def _masked_body(params: dict[str, Any]) -> Callable[..., list[Array]]:
    """The body of a loop that `jax.vmap` made of many, some of which are done."""
    test = jax_core.jaxpr_as_fun(params["cond_jaxpr"])
    body = jax_core.jaxpr_as_fun(params["body_jaxpr"])
    start = params["cond_nconsts"]
    stop = start + params["body_nconsts"]

    def masked(*operands: Any) -> list[Array]:
        tested, carry = operands[:start], operands[stop:]
        (going,) = test(*tested, *carry)
        return [
            jnp.where(jnp.expand_dims(going, [*range(going.ndim, new.ndim)]), new, old)
            for new, old in zip(body(*operands[start:]), carry, strict=True)
        ]

    return masked


def _trips(equation: jax_core.JaxprEqn, values: Values) -> int:
    loop, params = _while_loop(equation, values), equation.params
    tested = _in_order(equation, values)[: params["cond_nconsts"]]
    test = jax_core.jaxpr_as_fun(params["cond_jaxpr"])
    body = jax_core.jaxpr_as_fun(loop.body)
    return int(
        jax.lax.while_loop(
            lambda state: test(*tested, *state[1:])[0].any(),
            lambda state: (state[0] + 1, *body(*loop.fixed, *state[1:])),
            (0, *loop.carry),
        )[0]
    )


def _repeat(loop: _Loop, length: int) -> list[Array]:
    body = jax_core.jaxpr_as_fun(loop.body)

    def step(carry: list[Any], row: list[Any]) -> tuple[list[Any], None]:
        return body(*loop.fixed, *carry, *row)[: len(carry)], None

    return jax.lax.scan(
        step, loop.carry, loop.rows, length=length, reverse=loop.reverse
    )[0]


def _last_step(loop: _Loop, length: int, cotangents: Sequence[Any]) -> Inside | None:
    if length == 0:
        return None
    last, before = (0, slice(1, None)) if loop.reverse else (-1, slice(-1))
    earlier = loop._replace(rows=[rows[before] for rows in loop.rows])
    carry = _repeat(earlier, length - 1)
    arguments = [*loop.fixed, *carry, *(rows[last] for rows in loop.rows)]
    n_carry = len(loop.carry)
    from_rows = (rows if rows is None else rows[last] for rows in cotangents[n_carry:])
    return Inside(
        loop.body, loop.operands, arguments, [*cotangents[:n_carry], *from_rows]
    )


def _function_name(equation: jax_core.JaxprEqn) -> str:
    inner = equation.params.get("call_jaxpr")
    return inner.jaxpr.debug_info.func_name if inner else equation.primitive.name


def _in_order(equation: jax_core.JaxprEqn, values: Values) -> list[Any]:
    return [
        literal(atom) if isinstance(atom, jax_core.Literal) else values[atom]
        for atom in equation.invars
    ]
