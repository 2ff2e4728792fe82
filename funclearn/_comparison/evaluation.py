"""Gradients and samples of functions at one point, carried out in float64."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from funclearn import _jaxprs
from funclearn._checks import check_floating, check_same_structure
from funclearn._comparison import differences, promotion
from funclearn._comparison.problem import Function, Problem, Rest, Settings
from funclearn._comparison.rounding import widen
from funclearn._types import Batch, Params

__all__ = ["Gradient", "Value", "autodiff", "closed_form", "finite_differences"]

# Samples taken side by side: an accelerator needs many, a CPU is faster with few.
_CPU_BLOCK, _BLOCK, _BLOCK_BYTES = 4, 256, 2**26


class Gradient(NamedTuple):
    """A gradient at the chosen coordinates, each `(coordinates,)`.

    Attributes:
        values: carried out in float64.
        spread: by how much rounding moves these.
        own: in its own precision.
    """

    values: np.ndarray
    spread: np.ndarray
    own: np.ndarray


class Value(NamedTuple):
    """The objective at the point: in float64, its spread, in its own precision."""

    value: float
    spread: float
    own: float


def autodiff(problem: Problem, objective: Function) -> tuple[Gradient, float]:
    """The gradient by reverse mode, and the objective's value."""
    return _evaluate(problem, _autodiff, objective)


def closed_form(problem: Problem, function: Function) -> Gradient:
    """The gradient that a closed form gives."""
    return _evaluate(problem, _closed_form, function)[0]


def _evaluate(
    problem: Problem, method: Any, function: Function
) -> tuple[Gradient, float]:
    found = _gradients(
        function.arrays,
        problem.arguments,
        problem.direction,
        rest=function.rest,
        method=method,
        settings=problem.settings,
    )
    gradients, values = jax.tree.map(np.asarray, found)
    gradient = Gradient(*(gradient[problem.chosen] for gradient in gradients))
    return gradient, float(values[0])


@functools.partial(jax.jit, static_argnames=("rest", "method", "settings"))
def _gradients(
    arrays: Any,
    arguments: Any,
    direction: Params,
    *,
    rest: Rest,
    method: Any,
    settings: Settings,
) -> tuple[list[Array], tuple[Array, ...]]:
    def gradient(arrays, arguments, direction, one):
        params, *others = arguments

        def first(params: Params) -> tuple[Params, Any]:
            return method(rest.fill(arrays), one, params, *others)

        if settings.order == 1:
            return first(params)
        (_, value), (product, _) = jax.jvp(first, (params,), (direction,))
        return product, value

    # One is an argument: JAX would compute with a constant in its own precision.
    inputs = (arrays, arguments, direction, jnp.ones((), jnp.float32))
    program = _trace(gradient, inputs, settings)
    runs = (*promotion.run_rounded(program, *inputs), program(*inputs))
    gradients, values = zip(*runs, strict=True)
    widened = jax.tree.map(widen, gradients)
    return [ravel_pytree(gradient)[0] for gradient in widened], values


def _trace(
    function: Callable[..., Any], inputs: Any, settings: Settings
) -> promotion.Program:
    """Traces a function of arrays, arguments and perhaps more."""
    program = promotion.trace(function, *inputs, x64=settings.x64)
    arrays, (params, batch, _) = inputs[:2]
    key_position = len(jax.tree.leaves((arrays, params, batch)))
    if not settings.has_key and _jaxprs.reads(program.jaxpr, key_position):
        raise ValueError("key must be given, since a function draws from it; got none.")
    return program


def _autodiff(
    objective: Callable[..., Any], one: Array, params: Params, batch: Batch, key: Any
) -> tuple[Params, Array]:
    value, pull = jax.vjp(lambda params: _scalar(objective(params, batch, key)), params)
    return pull(one.astype(value.dtype))[0], value


def _closed_form(
    function: Callable[..., Any], one: Array, params: Params, batch: Batch, key: Any
) -> tuple[Params, Array]:
    grads = function(params, batch, key)
    check_same_structure("against(...)", grads, params, "the parameters", dtypes=False)
    grads = jax.tree.map(
        lambda grad, leaf: jnp.asarray(grad, jnp.result_type(grad, leaf)), grads, params
    )
    check_floating("against(...)", grads)
    return grads, one


def _scalar(value: Any) -> Array:
    value = jnp.asarray(value)
    if value.shape != ():
        raise ValueError(f"objective must return a scalar; got shape {value.shape}.")
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise TypeError(
            f"objective must return a real floating-point number; got {value.dtype}."
        )
    return value


def finite_differences(
    problem: Problem, objective: Function
) -> tuple[differences.Differences, Value]:
    """Derivatives by finite differences, and the objective at the point itself."""
    chosen = problem.chosen
    stencil = differences.stencil(
        problem.point[chosen], problem.sizes[chosen], problem.settings.order
    )
    block = _CPU_BLOCK if jax.default_backend() == "cpu" else _BLOCK
    samples, *centre = _sample(
        objective.arrays,
        problem.arguments,
        problem.direction,
        (chosen, stencil.moves, stencil.shifts),
        rest=objective.rest,
        block=max(1, min(block, _BLOCK_BYTES // problem.point.nbytes)),
        settings=problem.settings,
    )
    value = Value(*map(float, centre))
    samples = np.asarray(samples)
    return differences.differences(stencil, samples, value.value, value.spread), value


@functools.partial(jax.jit, static_argnames=("rest", "block", "settings"))
def _sample(
    arrays: Any,
    arguments: Any,
    direction: Params,
    where: Any,
    *,
    rest: Rest,
    block: int,
    settings: Settings,
) -> tuple[Array, Array, Array, Array]:
    def objective(arrays, arguments):
        return _scalar(rest.fill(arrays)(*arguments))

    inputs = (arrays, arguments)
    program = _trace(objective, inputs, settings)
    (arrays, (params, *others)), direction = jax.tree.map(widen, (inputs, direction))
    point, unravel = ravel_pytree(params)
    direction, _ = ravel_pytree(direction)

    def value(sample: tuple[Array, Array, Array]) -> Array:
        coordinate, move, shift = sample
        moved = unravel(point.at[coordinate].add(move) + shift * direction)
        return promotion.run(program, arrays, (moved, *others))

    coordinates, moves, shifts = where
    shape = moves.shape
    samples = (
        jnp.broadcast_to(coordinates[:, None, None], shape).ravel(),
        moves.ravel(),
        jnp.broadcast_to(shifts[None], shape).ravel(),
    )
    values = jax.lax.map(value, samples, batch_size=block).reshape(shape)
    # Constants are the same in all samples, and so are most parameters at order 1.
    centre = promotion.run_rounded(
        program, *inputs, constants=False, arguments=settings.order == 2
    )
    return values, *centre, program(*inputs)
