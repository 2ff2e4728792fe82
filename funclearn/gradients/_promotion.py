"""Programs of any precision, carried out in float64.

A function is traced in its own precision and its operations are then done in float64,
whatever the program says. So a float32 program is seen as the mathematics that it
stands for, with the random numbers, the constants and the branches of float32.

What runs here runs under `jax.enable_x64(True)`.
"""

import math
from collections.abc import Callable, Sequence
from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from funclearn import _jaxprs
from funclearn._jaxprs import (
    ClosedJaxpr,
    JaxprEqn,
    Literal,
    ShapedArray,
    Var,
    primitives,
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

# They move or choose numbers, and round nothing.
_EXACT = {
    *("abs", "argmax", "argmin", "broadcast_in_dim", "ceil", "clamp", "complex"),
    *("concatenate", "conj", "convert_element_type", "copy", "cummax", "cummin"),
    *("device_put", "dynamic_slice", "dynamic_update_slice", "floor", "gather", "imag"),
    *("iota", "max", "min", "name", "neg", "optimization_barrier", "pad", "real"),
    *("reduce_max", "reduce_min", "reduce_window_max", "reduce_window_min", "reshape"),
    *("rev", "round", "scatter", "scatter-max", "scatter-min", "select_n"),
    *("sharding_constraint", "sign", "slice", "sort", "squeeze", "stop_gradient"),
    *("top_k", "transpose"),
}

# They depend on how many bits a number has.
_BOUND_TO_PRECISION = {"bitcast_convert_type", "random_gamma", "rng_uniform"}


def run(program: Program, *args: PyTree) -> PyTree:
    """Carries out a program in float64."""
    leaves = [widen(leaf) for leaf in jax.tree.leaves(args)]
    results = _run(Rounding(), program.jaxpr, leaves)
    return jax.tree.unflatten(program.structure, results)


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
    leaves = [widen(leaf) for leaf in jax.tree.leaves(args)]

    def draw(_: None, table: Array) -> tuple[None, list[Value]]:
        rounding = Rounding(table, constants)
        error = arguments * unit(jnp.float64)
        rounded = [rounding.result(leaf, error) for leaf in leaves]
        return None, _run(rounding, program.jaxpr, rounded)

    _, stacked = jax.lax.scan(draw, None, jnp.asarray(draw_tables(_DRAWS)))
    results = cast(list[Array], stacked)
    spread = [jnp.max(jnp.abs(result - result[:1]), axis=0) for result in results]
    return (
        jax.tree.unflatten(program.structure, [result[0] for result in results]),
        jax.tree.unflatten(program.structure, spread),
    )


def _run(rounding: Rounding, jaxpr: ClosedJaxpr, args: Sequence[Value]) -> list[Value]:
    def rule(equation: JaxprEqn, operands: list[Value]) -> Sequence[Value]:
        if called := _jaxprs.called(equation):
            return _run(rounding, called, operands)
        rule = _CONTROL.get(equation.primitive, _run_operation)
        return rule(rounding, equation, operands)

    return _jaxprs.interpret(jaxpr, args, rule, rounding.constant)


def _run_operation(
    rounding: Rounding, equation: JaxprEqn, operands: list[Value]
) -> list[Value]:
    name = equation.primitive.name
    if name == "reduce_precision" or not equation.outvars:
        return operands[: len(equation.outvars)]
    params = {key: wide(value) for key, value in equation.params.items()}
    if update := equation.params.get("update_jaxpr"):
        params["update_jaxpr"] = _wide_jaxpr(_jaxprs.close(update))
    elif _is_bound_to_precision(equation):
        return _run_in_own_precision(rounding, equation, operands)
    if name in ("dot_general", "conv_general_dilated"):
        # The products in it are rounded as well.
        operands = [rounding.result(operands[0], unit(jnp.float64)), *operands[1:]]
    results = _jaxprs.bind(equation, operands, params)
    if name in _EXACT:
        return results
    error = unit(jnp.float64) * math.sqrt(_terms(equation))
    return [rounding.result(result, error) for result in results]


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
    types = [jax.ShapeDtypeStruct(x.shape, wide(x.dtype)) for x in jaxpr.in_avals]
    return jax.make_jaxpr(lambda *args: _run(Rounding(), jaxpr, args))(*types).jaxpr


def _terms(equation: JaxprEqn) -> float:
    """How many numbers an operation adds up to one."""
    if equation.primitive.name not in ("dot_general", "reduce_sum"):
        return 1.0
    atoms = [*equation.invars, *equation.outvars]
    *sizes, size = (max(_type(atom).size, 1) for atom in atoms)
    return (math.prod(sizes) / size) ** (1 / len(sizes))


def _run_cond(
    rounding: Rounding, equation: JaxprEqn, operands: list[Value]
) -> list[Value]:
    def branch(jaxpr: ClosedJaxpr) -> Callable[..., list[Value]]:
        return lambda *operands: _run(rounding, jaxpr, operands)

    branches = [*map(branch, _jaxprs.inner_jaxprs(equation))]
    return jax.lax.switch(operands[0], branches, *operands[1:])


def _run_scan(
    rounding: Rounding, equation: JaxprEqn, operands: list[Value]
) -> list[Value]:
    scan = _jaxprs.scan_of(equation, operands)

    def body(carry: list[Value], row: list[Value]) -> tuple[list[Value], list[Value]]:
        results = _run(rounding, scan.body, [*scan.constants, *carry, *row])
        return results[: len(carry)], results[len(carry) :]

    carry, rows = jax.lax.scan(
        body, scan.carry, scan.rows, length=scan.length, reverse=scan.reverse
    )
    return [*carry, *rows]


def _run_while(
    rounding: Rounding, equation: JaxprEqn, operands: list[Value]
) -> list[Value]:
    loop = _jaxprs.while_of(equation, operands)

    def goes_on(carry: list[Value]) -> Value:
        return _run(rounding, loop.test, [*loop.test_constants, *carry])[0]

    def body(carry: list[Value]) -> list[Value]:
        return _run(rounding, loop.body, [*loop.constants, *carry])

    return jax.lax.while_loop(goes_on, body, loop.carry)


def _run_solve(
    rounding: Rounding, equation: JaxprEqn, operands: list[Value]
) -> list[Value]:
    return _run(rounding, *_jaxprs.linear_solver(equation, operands))


_CONTROL = {
    primitives.cond_p: _run_cond,
    primitives.linear_solve_p: _run_solve,
    primitives.scan_p: _run_scan,
    primitives.while_p: _run_while,
}
