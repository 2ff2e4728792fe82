"""How a block of lanes is compiled, and how many lanes make one.

XLA on a CPU compiles the operations of a loop one by one, and hands short sums and
matrix products to a library. That suits large arrays; a run of a small model spends
its time in the calls. So a small loop is compiled whole, into one function with wide
vectors. Whether a loop is small is read off its jaxpr and never off a clock, so that
the same program always has the same bits.
"""

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import eval_jaxpr
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import (
    ClosedJaxpr,
    Jaxpr,
    JaxprEqn,
    Literal,
    jaxpr_as_fun,
    jaxprs_in_params,
)

__all__ = ["compile_block", "lanes_in_block"]

_OPTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": "",
    "xla_cpu_prefer_vector_width": 512,
}
_WHOLE = {"xla_cpu_small_call": "true", "inlineable": "false"}

_LOOPS = frozenset({"scan", "while"})
_WRITES = frozenset({"dynamic_update_slice", "scatter"})
# Operations that call a library, which a loop that is compiled whole cannot do.
_LIBRARY = frozenset(
    "approx_top_k cholesky conv_general_dilated eig eigh fft ffi_call geqrf "
    "householder_product lu pure_callback scatter-add sort svd top_k "
    "triangular_solve".split()
)
# Multiplications of a matrix product above which the library is faster: for one lane,
# and for each of several.
_SMALL_PRODUCT, _SMALL_PRODUCT_OF_MANY = 4096, 64
_SMALL_VALUE = 2**18  # bytes; larger ones are worth several threads
_CACHE = 2**14  # bytes, half of the first level in most processors
_RESULTS = 2**28  # bytes for a block's results
_FEWEST_LANES, _MOST_LANES = 8, 128


@functools.lru_cache(maxsize=128)
def lanes_in_block(closed: ClosedJaxpr, n_lanes: int) -> int:
    """How many lanes to run at once.

    On a CPU as many as keep the largest value that a loop computes, all lanes together,
    in the first-level cache. Where those would not fill a vector, a lane that can be
    compiled whole runs by itself. Elsewhere all that there is memory for.

    Args:
        closed: a single lane.
        n_lanes: how many there are; on a CPU it does not matter, so that sweeps of any
            size have the same bits.
    """
    if closed.effects:
        return 1  # blocks may be padded, and effects must not show it
    parts = [part for equation in closed.eqns for part in _parts(equation)]
    looped = [inner for part in parts if _is_loop(part) for inner in _parts(part)]
    largest = max([1, *map(_largest_value, looped or parts)])
    results = sum(map(_n_bytes, closed.out_avals))
    lanes = _RESULTS // (results + largest)
    if jax.default_backend() == "cpu":
        lanes = min(lanes, _MOST_LANES, _CACHE // largest)
        if lanes < _FEWEST_LANES and any(_small_loops(closed.jaxpr, size=1)):
            return 1
    else:
        lanes = min(lanes, 2 * n_lanes - 1)
    return 2 ** (max(1, lanes).bit_length() - 1)


@functools.lru_cache(maxsize=128)
def compile_block(closed: ClosedJaxpr, size: int) -> Any:
    """Compiles a block of lanes.

    Args:
        closed: a single lane.
        size: number of lanes.

    Returns:
        `(consts, inputs) -> outputs`, compiled; inputs and outputs have a leading axis
        of lanes.
    """
    inputs = [
        jax.ShapeDtypeStruct((size, *aval.shape), aval.dtype)
        for aval in closed.in_avals
    ]

    def compiled(whole: bool) -> Any:
        def block(consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
            def lane(inputs: Sequence[Any]) -> list[Any]:
                if whole:
                    return _evaluate(closed.jaxpr, consts, inputs, size)
                return eval_jaxpr(closed.jaxpr, consts, *inputs)

            if size > 1:
                return jax.vmap(lane, axis_size=size)(inputs)
            # Alone, a lane waits for no other and is fused as it is without a sweep.
            return [jnp.asarray(x)[None] for x in lane([x[0] for x in inputs])]

        jitted = jax.jit(block, compiler_options=_OPTIONS if whole else None)
        return jitted.lower(closed.consts, inputs).compile()

    if _xla_knows_options() and any(_small_loops(closed.jaxpr, size)):
        # XLA may still refuse to make one function of what looks as if it could.
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            return compiled(whole=True)
    return compiled(whole=False)


def _evaluate(jaxpr: Jaxpr, consts: Any, inputs: Any, size: int) -> list[Any]:
    """Evaluates a jaxpr, marking its small loops to be compiled whole."""
    known = dict(zip(jaxpr.constvars, consts, strict=True))
    known |= zip(jaxpr.invars, inputs, strict=True)

    def value(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else known[variable]

    for equation in jaxpr.eqns:
        values = list(map(value, equation.invars))
        if _is_small_loop(equation, size):
            # Only a call can carry the marks.
            with set_xla_metadata(**_WHOLE):
                outputs = jax.jit(_as_function(jaxpr, equation))(*values)
        elif _is_call_of_loops(equation):
            inner = equation.params["jaxpr"]
            outputs = _evaluate(inner.jaxpr, inner.consts, values, size)
        else:
            outputs = _as_function(jaxpr, equation)(*values)
        known |= zip(equation.outvars, outputs, strict=True)
    return list(map(value, jaxpr.outvars))


def _as_function(jaxpr: Jaxpr, equation: JaxprEqn) -> Callable[..., list[Any]]:
    variable = [not isinstance(x, Literal) for x in equation.invars]
    alone = jaxpr.replace(
        constvars=[],
        invars=list(itertools.compress(equation.invars, variable)),
        outvars=equation.outvars,
        eqns=[equation],
    )
    function = jaxpr_as_fun(ClosedJaxpr(alone, ()))
    return lambda *values: function(*itertools.compress(values, variable))


@functools.cache
def _xla_knows_options() -> bool:
    if jax.default_backend() != "cpu":
        return False
    try:
        jax.jit(lambda: 0, compiler_options=_OPTIONS).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def _small_loops(jaxpr: Jaxpr, size: int) -> Iterator[JaxprEqn]:
    for equation in jaxpr.eqns:
        if _is_small_loop(equation, size):
            yield equation
        elif _is_call_of_loops(equation):
            yield from _small_loops(equation.params["jaxpr"].jaxpr, size)


def _is_small_loop(equation: JaxprEqn, size: int) -> bool:
    parts = list(_parts(equation))
    return any(map(_is_loop, parts)) and all(_is_small(part, size) for part in parts)


def _is_call_of_loops(equation: JaxprEqn) -> bool:
    return equation.primitive.name == "jit" and any(map(_is_loop, _parts(equation)))


def _is_loop(equation: JaxprEqn) -> bool:
    return equation.primitive.name in _LOOPS


def _is_small(equation: JaxprEqn, size: int) -> bool:
    name = equation.primitive.name
    if name in _LIBRARY or equation.effects:
        return False
    if name == "dot_general" and not _is_small_product(equation, size):
        return False
    return _largest_value(equation) <= _SMALL_VALUE


def _is_small_product(equation: JaxprEqn, size: int) -> bool:
    left: Any
    right: Any
    left, right = (operand.aval for operand in equation.invars)
    (contracted, _), (batch, _) = equation.params["dimension_numbers"]
    shared = math.prod(left.shape[axis] for axis in contracted)
    common = shared * math.prod(left.shape[axis] for axis in batch)
    rows, columns = left.size // common, right.size // common
    if size > 1:
        return rows * shared * columns <= _SMALL_PRODUCT_OF_MANY
    # With a vector among its factors it is a loop like any other.
    return 1 in (rows, shared, columns) or rows * shared * columns <= _SMALL_PRODUCT


def _parts(equation: JaxprEqn) -> Iterator[JaxprEqn]:
    """The equation and all that it calls."""
    yield equation
    for jaxpr in jaxprs_in_params(equation.params):
        for inner in jaxpr.eqns:
            yield from _parts(inner)


def _largest_value(equation: JaxprEqn) -> int:
    """Bytes of the largest array that an equation computes."""
    calls = any(True for _ in jaxprs_in_params(equation.params))
    if calls or equation.primitive.name in _WRITES:
        return 0  # computed by what it calls; or a row was written into a history
    return max((_n_bytes(variable.aval) for variable in equation.outvars), default=0)


def _n_bytes(aval: Any) -> int:
    return math.prod(aval.shape) * aval.dtype.itemsize
