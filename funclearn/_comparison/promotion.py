"""Programs of any precision, carried out in float64.

A function is traced in its own precision and its operations are then done in float64,
whatever the program says. So a float32 program is seen as the mathematics that it
stands for, with the random numbers, the constants and the branches of float32.

What runs here runs under `jax.enable_x64(True)`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend import core
from jax.extend.core import primitives
from jaxtyping import Array

from funclearn._comparison.rounding import (
    Rounding,
    draw_tables,
    is_inexact,
    unit,
    wide,
    widen,
)

__all__ = ["Program", "reads", "run", "run_rounded", "trace"]

_DRAWS = 8

# They hold a program that is carried out like any other.
_CALLS = {
    primitives.call_p: "call_jaxpr",
    primitives.closed_call_p: "call_jaxpr",
    primitives.custom_jvp_call_p: "call_jaxpr",
    primitives.custom_vjp_call_p: "call_jaxpr",
    primitives.jit_p: "jaxpr",
    primitives.remat_p: "jaxpr",
}

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


class Program(NamedTuple):
    """A traced function; calling it carries it out in its own precision."""

    jaxpr: core.ClosedJaxpr
    structure: Any

    def __call__(self, *args: Any) -> Any:
        """Carries it out, like the function."""
        results = core.jaxpr_as_fun(self.jaxpr)(*jax.tree.leaves(args))
        return self.structure.unflatten(results)


def trace(function: Callable[..., Any], *args: Any, x64: bool) -> Program:
    """Traces a function in the precision of its arguments.

    Args:
        function: any function that JAX can trace.
        *args: pytrees of arrays.
        x64: whether 64-bit types are enabled for the function.
    """
    with jax.enable_x64(x64):
        types = jax.tree.map(jax.typeof, args)
        jaxpr, results = jax.make_jaxpr(function, return_shape=True)(*types)
    return Program(jaxpr, jax.tree.structure(results))


def reads(jaxpr: Any, position: int) -> bool:
    """Whether a program makes use of its argument at a position."""
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    argument = jaxpr.invars[position]
    for equation in jaxpr.eqns:
        for place, atom in enumerate(equation.invars):
            called = equation.params.get(_CALLS.get(equation.primitive))
            if atom is argument and (called is None or reads(called, place)):
                return True
    return any(atom is argument for atom in jaxpr.outvars)


def run(program: Program, *args: Any) -> Any:
    """Carries out a program in float64."""
    leaves = [widen(leaf) for leaf in jax.tree.leaves(args)]
    results = _run_closed(Rounding(), program.jaxpr, leaves)
    return program.structure.unflatten(results)


def run_rounded(
    program: Program, *args: Any, constants: bool = True, arguments: bool = False
) -> tuple[Any, Any]:
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

    def draw(_: None, table: Array) -> tuple[None, list[Array]]:
        rounding = Rounding(table, constants)
        error = arguments * unit(jnp.float64)
        rounded = [rounding.result(leaf, error) for leaf in leaves]
        return None, _run_closed(rounding, program.jaxpr, rounded)

    _, results = jax.lax.scan(draw, None, jnp.asarray(draw_tables(_DRAWS)))
    spread = [jnp.max(jnp.abs(result - result[:1]), axis=0) for result in results]
    return (
        program.structure.unflatten([result[0] for result in results]),
        program.structure.unflatten(spread),
    )


def _run_closed(rounding: Rounding, jaxpr: Any, args: Sequence[Any]) -> list[Any]:
    constants = [rounding.constant(value) for value in getattr(jaxpr, "consts", ())]
    return _run(rounding, getattr(jaxpr, "jaxpr", jaxpr), constants, args)


def _run(
    rounding: Rounding, jaxpr: Any, constants: Sequence[Any], args: Sequence[Any]
) -> list[Any]:
    values = dict(zip(jaxpr.constvars, constants, strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        is_literal = isinstance(atom, core.Literal)
        return rounding.constant(atom.val) if is_literal else values[atom]

    for equation in jaxpr.eqns:
        operands = [read(atom) for atom in equation.invars]
        rule = _CONTROL.get(equation.primitive, _run_operation)
        results = rule(rounding, equation, operands)
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _run_operation(rounding: Rounding, equation: Any, operands: list[Any]) -> list[Any]:
    name = equation.primitive.name
    if name == "reduce_precision" or not equation.outvars:
        return operands[: len(equation.outvars)]
    params = {key: wide(value) for key, value in equation.params.items()}
    if params.get("update_jaxpr"):
        params["update_jaxpr"] = _wide_jaxpr(params["update_jaxpr"])
    elif _is_bound_to_precision(equation):
        return _run_in_own_precision(rounding, equation, operands)
    if name in ("dot_general", "conv_general_dilated"):
        # The products in it are rounded as well.
        operands = [rounding.result(operands[0], unit(jnp.float64)), *operands[1:]]
    results = _bind(equation, operands, params)
    if name in _EXACT:
        return results
    error = unit(jnp.float64) * math.sqrt(_terms(equation))
    return [rounding.result(result, error) for result in results]


def _run_in_own_precision(
    rounding: Rounding, equation: Any, operands: list[Any]
) -> list[Any]:
    narrow = [
        operand.astype(atom.aval.dtype) if is_inexact(operand) else operand
        for operand, atom in zip(operands, equation.invars, strict=True)
    ]
    results = _bind(equation, narrow, equation.params)
    # What is made of integers, as random numbers are of bits, was not rounded.
    rounds = any(map(is_inexact, operands))
    return [
        rounding.result(widen(result), rounds * unit(result.dtype))
        if is_inexact(result)
        else result
        for result in results
    ]


def _bind(equation: Any, operands: list[Any], params: dict[str, Any]) -> list[Any]:
    params = equation.primitive.get_bind_params(params)
    results = equation.primitive.bind(*operands, **params)
    return results if equation.primitive.multiple_results else [results]


def _is_bound_to_precision(equation: Any) -> bool:
    """Whether an operation has a precision that cannot be changed, as kernels have."""
    if equation.primitive.name in _BOUND_TO_PRECISION:
        return True
    if next(core.jaxprs_in_params(equation.params), None) is not None:
        return True
    held = jax.tree.leaves([*equation.params.values()])
    return any(isinstance(value, ShapedArray) for value in held)


def _wide_jaxpr(jaxpr: Any) -> Any:
    types = [
        jax.ShapeDtypeStruct(x.aval.shape, wide(x.aval.dtype)) for x in jaxpr.invars
    ]
    return jax.make_jaxpr(lambda *args: _run(Rounding(), jaxpr, (), args))(*types).jaxpr


def _terms(equation: Any) -> float:
    """How many numbers an operation adds up to one."""
    if equation.primitive.name not in ("dot_general", "reduce_sum"):
        return 1.0
    sizes = [max(atom.aval.size, 1) for atom in equation.invars]
    (result,) = equation.outvars
    return (math.prod(sizes) / max(result.aval.size, 1)) ** (1 / len(sizes))


def _run_call(rounding: Rounding, equation: Any, operands: list[Any]) -> list[Any]:
    jaxpr = equation.params[_CALLS[equation.primitive]]
    return _run_closed(rounding, jaxpr, operands)


def _run_cond(rounding: Rounding, equation: Any, operands: list[Any]) -> list[Any]:
    def branch(jaxpr: Any) -> Callable[..., list[Any]]:
        return lambda *operands: _run_closed(rounding, jaxpr, operands)

    return jax.lax.switch(
        operands[0], [*map(branch, equation.params["branches"])], *operands[1:]
    )


def _run_scan(rounding: Rounding, equation: Any, operands: list[Any]) -> list[Any]:
    params = equation.params
    n_constants, n_carried = params["num_consts"], params["num_carry"]
    constants, operands = operands[:n_constants], operands[n_constants:]

    def body(carry: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
        results = _run_closed(rounding, params["jaxpr"], [*constants, *carry, *row])
        return results[:n_carried], results[n_carried:]

    carry, rows = jax.lax.scan(
        body,
        operands[:n_carried],
        operands[n_carried:],
        length=params["length"],
        reverse=params["reverse"],
    )
    return [*carry, *rows]


def _run_while(rounding: Rounding, equation: Any, operands: list[Any]) -> list[Any]:
    params = equation.params
    middle = params["cond_nconsts"]
    end = middle + params["body_nconsts"]

    def goes_on(carry: list[Any]) -> Any:
        constants = operands[:middle]
        return _run_closed(rounding, params["cond_jaxpr"], [*constants, *carry])[0]

    def body(carry: list[Any]) -> list[Any]:
        constants = operands[middle:end]
        return _run_closed(rounding, params["body_jaxpr"], [*constants, *carry])

    return jax.lax.while_loop(goes_on, body, operands[end:])


def _run_solve(rounding: Rounding, equation: Any, operands: list[Any]) -> list[Any]:
    lengths = equation.params["const_lengths"]
    start = lengths.matvec + lengths.vecmat
    constants = operands[start : start + lengths.solve]
    jaxpr = equation.params["jaxprs"].solve
    return _run_closed(rounding, jaxpr, [*constants, *operands[sum(lengths) :]])


_CONTROL = {
    **dict.fromkeys(_CALLS, _run_call),
    primitives.cond_p: _run_cond,
    primitives.linear_solve_p: _run_solve,
    primitives.scan_p: _run_scan,
    primitives.while_p: _run_while,
}
