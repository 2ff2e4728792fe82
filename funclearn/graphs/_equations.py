"""One equation of a jaxpr: its value, its derivative, and the function it calls."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array

from funclearn import _jaxprs
from funclearn._jaxprs import ClosedJaxpr, JaxprEqn, Literal, Var, primitives

__all__ = ["Atom", "Inside", "Values", "evaluate", "inside", "is_inexact", "pullback"]

Atom: TypeAlias = Var | Literal
"""What a jaxpr has as the operand of an equation."""

Values: TypeAlias = Mapping[Var, Array]
"""The values of an equation's operands, literals apart."""


class Inside(NamedTuple):
    """A call of the function that an equation holds.

    Attributes:
        jaxpr: the function.
        operands: the operands of the equation that are its arguments, in order.
        arguments: their values in this call.
        cotangents: the output's gradient with respect to each of its results, None
            standing for zero; None for a function whose derivative is not used.
        carry: which of the arguments a loop hands on from step to step.
    """

    jaxpr: ClosedJaxpr
    operands: Sequence[Atom]
    arguments: Sequence[Array]
    cotangents: Sequence[Array | None] | None
    carry: slice = slice(0)

    def active(self, operands: Sequence[bool]) -> list[bool]:
        """Which arguments depend on marked operands, those of a carry in any step."""
        start, stop, _ = self.carry.indices(len(operands))
        parts = operands[:start], operands[start:stop], operands[stop:]
        return [*parts[0], *_jaxprs.carried(self.jaxpr, *parts), *parts[2]]

    @property
    def names(self) -> Sequence[str]:
        """The names of the function's parameters; empty where they are not known."""
        return _jaxprs.argument_names(self.jaxpr)


def is_inexact(array: Array) -> bool:
    """Whether an array is real or complex floating-point, so that it has a gradient."""
    return bool(jnp.issubdtype(array.dtype, jnp.inexact))


def evaluate(equation: JaxprEqn, values: Values) -> list[Array]:
    """Computes the results of an equation, as a jaxpr of this equation alone."""
    alone = _jaxprs.single(equation, [*values])
    results = _jaxprs.jaxpr_as_fun(alone)(*values.values())
    return [*map(jnp.asarray, results)]  # what passes a literal on is no array


def pullback(
    equation: JaxprEqn, values: Values, active: Sequence[Var]
) -> Callable[[Sequence[Array]], Sequence[Array]]:
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

        def compute(equation: JaxprEqn, values: Values) -> list[Array]:
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
    equation: JaxprEqn, values: Values, cotangents: Sequence[Array | None]
) -> Inside | None:
    """Finds the function that an equation holds, and one call of it.

    For a conditional it is the branch taken, for a loop its last step. A custom
    derivative rule replaces the derivatives of its function, so that such a call has
    no cotangents.

    Args:
        equation: the equation.
        values: the values of its operands.
        cotangents: the output's gradient with respect to its results.

    Returns:
        The call; None where there is no such function, or it is never called.
    """
    operands = _in_order(equation, values)
    match equation.primitive:
        case primitives.cond_p:
            branches = list(_jaxprs.inner_jaxprs(equation))
            # Clamped, as `jax.lax.switch` clamps its index.
            branch = branches[min(max(int(operands[0]), 0), len(branches) - 1)]
            return Inside(branch, equation.invars[1:], operands[1:], cotangents)
        case primitives.scan_p:
            scan = _jaxprs.scan_of(equation, operands)
            loop = _Loop(
                scan.body,
                equation.invars,
                scan.constants,
                scan.carry,
                scan.rows,
                scan.reverse,
            )
            return _last_step(loop, scan.length, cotangents)
        case primitives.while_p:
            loop = _while_loop(equation, values)
            return _last_step(loop, _trips(equation, values), cotangents)
    called = _jaxprs.called(equation)
    return called and Inside(called, equation.invars, operands, None)


class _Loop(NamedTuple):
    """A loop over `body(*fixed, *carry, *row) -> (*carry, *row of results)`."""

    body: ClosedJaxpr
    operands: Sequence[Atom]
    fixed: list[Array]
    carry: list[Array]
    rows: list[Array]
    reverse: bool = False


def _while_loop(equation: JaxprEqn, values: Values) -> _Loop:
    operands = _in_order(equation, values)
    loop = _jaxprs.while_of(equation, operands)
    if not loop.test.out_avals[0].shape:
        atoms = equation.invars[len(loop.test_constants) :]
        return _Loop(loop.body, atoms, loop.constants, loop.carry, [])
    body = jax.make_jaxpr(_masked_body(loop))(*operands)
    fixed = [*loop.test_constants, *loop.constants]
    return _Loop(body, equation.invars, fixed, loop.carry, [])


def _masked_body(loop: _jaxprs.While) -> Callable[..., list[Array]]:
    """The body of a batched loop; it keeps the carry of the lanes that have ended."""
    test, body = map(_jaxprs.jaxpr_as_fun, (loop.test, loop.body))
    start = len(loop.test_constants)
    stop = start + len(loop.constants)

    def masked(*operands: Array) -> list[Array]:
        tested, carry = operands[:start], operands[stop:]
        (going,) = test(*tested, *carry)
        return [
            jnp.where(jnp.expand_dims(going, [*range(going.ndim, new.ndim)]), new, old)
            for new, old in zip(body(*operands[start:]), carry, strict=True)
        ]

    return masked


def _trips(equation: JaxprEqn, values: Values) -> int:
    loop = _while_loop(equation, values)
    whole = _jaxprs.while_of(equation, _in_order(equation, values))
    test, body = map(_jaxprs.jaxpr_as_fun, (whole.test, loop.body))
    return int(
        jax.lax.while_loop(
            lambda state: test(*whole.test_constants, *state[1:])[0].any(),
            lambda state: (state[0] + 1, *body(*loop.fixed, *state[1:])),
            (0, *loop.carry),
        )[0]
    )


def _repeat(loop: _Loop, length: int) -> list[Array]:
    body = _jaxprs.jaxpr_as_fun(loop.body)

    def step(carry: list[Array], row: list[Array]) -> tuple[list[Array], None]:
        return body(*loop.fixed, *carry, *row)[: len(carry)], None

    # Unlike a while loop, a scan of a known length has a reverse mode.
    return jax.lax.scan(
        step, loop.carry, loop.rows, length=length, reverse=loop.reverse
    )[0]


def _last_step(
    loop: _Loop, length: int, cotangents: Sequence[Array | None]
) -> Inside | None:
    if length == 0:
        return None
    # A reversed scan takes its first row last.
    last, before = (0, slice(1, None)) if loop.reverse else (-1, slice(-1))
    earlier = loop._replace(rows=[rows[before] for rows in loop.rows])
    carry = _repeat(earlier, length - 1)
    arguments = [*loop.fixed, *carry, *(rows[last] for rows in loop.rows)]
    n_carry = len(loop.carry)
    from_rows = (rows if rows is None else rows[last] for rows in cotangents[n_carry:])
    n_fixed = len(loop.fixed)
    return Inside(
        loop.body,
        loop.operands,
        arguments,
        [*cotangents[:n_carry], *from_rows],
        slice(n_fixed, n_fixed + n_carry),
    )


def _function_name(equation: JaxprEqn) -> str:
    called = _jaxprs.called(equation)
    return _jaxprs.function_name(called) if called else equation.primitive.name


def _in_order(equation: JaxprEqn, values: Values) -> list[Array]:
    return [
        _jaxprs.literal(atom) if isinstance(atom, Literal) else values[atom]
        for atom in equation.invars
    ]
