"""Programs of any precision, carried out in float64.

A function is traced in its own precision and its operations are then done in float64,
whatever the program says. So a float32 program is seen as the mathematics that it
stands for, with the random numbers, the constants and the decisions of float32 (see
`_decisions`).

What runs here runs under `jax.enable_x64(True)`.
"""

import functools
import math
from collections.abc import Sequence
from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from funclearn import _jaxprs
from funclearn._jaxprs import ClosedJaxpr, JaxprEqn, Literal, ShapedArray, Var
from funclearn.gradients._control import control_of
from funclearn.gradients._decisions import Both, run_in_both
from funclearn.gradients._exactness import (
    ADD_PRODUCTS,
    is_exact,
    is_touchy,
    n_terms,
    never_rounds,
)
from funclearn.gradients._program import Program
from funclearn.gradients._rounding import (
    Rounding,
    Value,
    draw_tables,
    is_inexact,
    unit,
    wide,
    widen,
)

__all__ = ["run", "run_rounded"]

# Where one rounding outweighs the others, the largest of eight draws is below a quarter
# of what it can be once in 4**8 = 65536 cases; the comparison allows for four times it.
_DRAWS = 8

# They depend on how many bits a number has.
_BOUND_TO_PRECISION = {
    *("bitcast_convert_type", "nextafter", "random_gamma", "rng_uniform"),
}


def run(program: Program, *args: PyTree) -> PyTree:
    """Carries out a program in float64."""
    results = _run(Rounding(), program.jaxpr, _arguments(program, args))
    return jax.tree.unflatten(program.structure, [result.wide for result in results])


def run_rounded(
    program: Program, *args: PyTree, constants: bool = True, arguments: bool = False
) -> tuple[PyTree, PyTree]:
    """Carries out a program in float64, and again with all results rounded at random.

    Args:
        program: what to carry out.
        *args: its arguments.
        constants: whether to round constants too.
        arguments: whether to round the arguments too.

    Returns:
        What `run` returns, and by how much rounding moved it in the worst of the draws.
    """
    given = _arguments(program, args)
    nothing = [False] * len(program.jaxpr.out_avals)

    def draw(_: None, table: Array) -> tuple[None, list[Value]]:
        rounding = Rounding(table, constants)
        error = arguments * unit(jnp.float64)
        rounded = [Both(rounding.result(x.wide, error), x.own) for x in given]
        results = _run(rounding, program.jaxpr, rounded, nothing)
        return None, [x.wide for x in results]

    _, stacked = jax.lax.scan(draw, None, jnp.asarray(draw_tables(_DRAWS)))
    results = cast(list[Array], stacked)
    spread = [jnp.max(jnp.abs(result - result[:1]), axis=0) for result in results]
    return (
        jax.tree.unflatten(program.structure, [result[0] for result in results]),
        jax.tree.unflatten(program.structure, spread),
    )


def _arguments(program: Program, args: PyTree) -> list[Both]:
    pairs = zip(jax.tree.leaves(args), program.jaxpr.in_avals, strict=True)
    return [
        Both(widen(leaf), None if place in program.params else _narrow(leaf, aval))
        for place, (leaf, aval) in enumerate(pairs)
    ]


def _narrow(value: Value, aval: ShapedArray) -> Value:
    """Casts an array to the precision that it has in its program."""
    return jnp.asarray(value, aval.dtype) if is_inexact(value) else value


def _run(
    rounding: Rounding,
    jaxpr: ClosedJaxpr,
    args: Sequence[Both],
    results: Sequence[bool] | None = None,
) -> list[Both]:
    """Carries out a jaxpr.

    Args:
        rounding: how to round what it computes.
        jaxpr: the program.
        args: its arguments.
        results: on which of its results a decision may depend; all, if nothing is said.
    """
    if results is None:
        results = [True] * len(jaxpr.out_avals)
    decisive = _jaxprs.leading(jaxpr, results, is_touchy)

    def rule(equation: JaxprEqn, operands: list[Both]) -> Sequence[Both]:
        decides = [variable in decisive for variable in equation.outvars]
        if called := _jaxprs.called(equation):
            return _run(rounding, called, operands, decides)
        if control := control_of(equation, is_sample=rounding.table is None):
            return control(functools.partial(_run, rounding), equation, operands)
        operation = functools.partial(
            _run_operation, rounding, equation, is_decisive=any(decides)
        )
        return run_in_both(equation, operands, operation)

    return _jaxprs.interpret(
        jaxpr, args, rule, lambda value: Both(rounding.constant(value), value)
    )


def _run_operation(
    rounding: Rounding, equation: JaxprEqn, operands: list[Value], *, is_decisive: bool
) -> list[Value]:
    name = equation.primitive.name
    if name == "reduce_precision":
        return operands
    params = {key: wide(value) for key, value in equation.params.items()}
    if update := equation.params.get("update_jaxpr"):
        params["update_jaxpr"] = _wide_jaxpr(_jaxprs.close(update))
    elif _is_bound_to_precision(equation):
        return _run_in_own_precision(rounding, equation, operands)
    if rounding.table is None or never_rounds(equation):
        return _jaxprs.bind(equation, operands, params)
    if name not in ADD_PRODUCTS:
        results = _jaxprs.bind(equation, operands, params)
        exact = is_decisive and is_exact(equation, operands, results[0])
    else:
        exact = is_decisive and is_exact(equation, operands, None)
        # The products in it are rounded as well.
        first = _rounded(rounding, operands[0], unit(jnp.float64), exact)
        results = _jaxprs.bind(equation, [first, *operands[1:]], params)
    error = unit(jnp.float64) * math.sqrt(n_terms(equation))
    return [_rounded(rounding, result, error, exact) for result in results]


def _rounded(
    rounding: Rounding, value: Value, error: float, exact: bool | Array
) -> Value:
    """Rounds a result where it is not exact."""
    rounded = rounding.result(value, error)
    if exact is False:
        return rounded
    return jnp.where(exact, jnp.asarray(value), jnp.asarray(rounded))


def _run_in_own_precision(
    rounding: Rounding, equation: JaxprEqn, operands: list[Value]
) -> list[Value]:
    narrow = [
        operand.astype(_type(atom).dtype) if is_inexact(operand) else operand
        for operand, atom in zip(operands, equation.invars, strict=True)
    ]
    results = _jaxprs.bind(equation, narrow)
    # What is made of integers, as random numbers are of bits, was not rounded.
    rounds = any(map(is_inexact, operands))
    return [
        rounding.result(widen(result), rounds * unit(result.dtype))
        if is_inexact(result)
        else result
        for result in results
    ]


def _is_bound_to_precision(equation: JaxprEqn) -> bool:
    """Whether an operation has a precision that cannot be changed, as kernels have."""
    if equation.primitive.name in _BOUND_TO_PRECISION:
        return True
    if any(True for _ in _jaxprs.inner_jaxprs(equation)):
        return True
    held = jax.tree.leaves([*equation.params.values()])
    return any(isinstance(value, ShapedArray) for value in held)


def _type(atom: Var | Literal) -> ShapedArray:
    return cast(ShapedArray, atom.aval)


def _wide_jaxpr(jaxpr: ClosedJaxpr) -> object:
    def call(*args: Array) -> list[Value]:
        results = _run(Rounding(), jaxpr, [Both(argument, None) for argument in args])
        return [result.wide for result in results]

    types = [jax.ShapeDtypeStruct(x.shape, wide(x.dtype)) for x in jaxpr.in_avals]
    return jax.make_jaxpr(call)(*types).jaxpr
