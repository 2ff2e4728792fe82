"""Gradients of functions at one point, carried out in float64."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, PRNGKeyArray, PyTree

from funclearn import _jaxprs
from funclearn._checks import check_floating, check_same_structure
from funclearn._programs import kept
from funclearn._types import Batch, Params
from funclearn.gradients._problem import Function, Problem, Rest, Settings
from funclearn.gradients._program import Program, program_of
from funclearn.gradients._promotion import run_rounded
from funclearn.gradients._rounding import widen

__all__ = [
    "Arguments",
    "Gradient",
    "Take",
    "closed_form",
    "reverse_mode",
    "scalar",
    "traced",
]

Take: TypeAlias = Callable[[], tuple[Callable[..., object], ...]]
"""Gives the functions of a callable that was taken apart."""

_Method: TypeAlias = Callable[..., tuple[Params, Array]]
"""`(function, one, params, batch, key) -> (grads, value)`."""

_Gradients: TypeAlias = tuple[list[Array], tuple[Array, ...]]
"""Flattened gradients, and the values that came with them."""

Arguments: TypeAlias = tuple[Params, Batch, PRNGKeyArray]


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


def reverse_mode(problem: Problem, objective: Function) -> tuple[Gradient, float]:
    """The gradient by reverse-mode autodiff, and the objective's value."""
    return _evaluate(problem, _reverse_mode, objective)


def closed_form(problem: Problem, function: Function) -> Gradient:
    """The gradient that a closed form gives."""
    return _evaluate(problem, _closed_form, function)[0]


def _evaluate(
    problem: Problem, method: _Method, function: Function
) -> tuple[Gradient, float]:
    program = kept(
        _gradients, function.functions, function.rest, method, problem.settings
    )
    found = program(function.arrays, problem.arguments, problem.direction)
    gradients, values = jax.tree.map(np.asarray, found)
    gradient = Gradient(*(gradient[problem.chosen] for gradient in gradients))
    return gradient, float(values[0])


def _gradients(
    take: Take, rest: Rest, method: _Method, settings: Settings
) -> Callable[[list[Array], Arguments, Params], _Gradients]:
    """Makes the program of a gradient: in float64, its spread, in its own precision."""

    @jax.jit
    def gradients(
        arrays: list[Array], arguments: Arguments, direction: Params
    ) -> _Gradients:
        # A function of its own for every trace, which JAX keeps as long as it lives.
        def gradient(
            arrays: list[Array], arguments: Arguments, direction: Params, one: Array
        ) -> tuple[Params, Array]:
            params, *others = arguments

            def first(params: Params) -> tuple[Params, Array]:
                return method(rest.fill(arrays, take()), one, params, *others)

            if settings.order == 1:
                return first(params)
            (_, value), (product, _) = jax.jvp(first, (params,), (direction,))
            return product, value

        # One is an argument: JAX would compute with a constant in its own precision.
        inputs = (arrays, arguments, direction, jnp.ones((), jnp.float32))
        program = traced(gradient, inputs, settings)
        runs = (*run_rounded(program, *inputs), program(*inputs))
        gradients, values = zip(*runs, strict=True)
        widened = jax.tree.map(widen, gradients)
        return [ravel_pytree(gradient)[0] for gradient in widened], values

    return gradients


def traced(
    function: Callable[..., PyTree], inputs: tuple[PyTree, ...], settings: Settings
) -> Program:
    """Traces a function of arrays, arguments and perhaps more."""
    arrays, (params, batch, _) = inputs[:2]
    ends = [len(jax.tree.leaves(x)) for x in (arrays, (arrays, params))]
    program = program_of(function, *inputs, x64=settings.x64, params=range(*ends))
    key_position = ends[1] + len(jax.tree.leaves(batch))
    if not settings.has_key and _jaxprs.reads(program.jaxpr, key_position):
        raise ValueError("key must be given, since a function draws from it; got none.")
    return program


def _reverse_mode(
    objective: Callable[..., ArrayLike],
    one: Array,
    params: Params,
    batch: Batch,
    key: PRNGKeyArray,
) -> tuple[Params, Array]:
    value, pull = jax.vjp(lambda params: scalar(objective(params, batch, key)), params)
    return pull(one.astype(value.dtype))[0], value


def _closed_form(
    function: Callable[..., Params],
    one: Array,
    params: Params,
    batch: Batch,
    key: PRNGKeyArray,
) -> tuple[Params, Array]:
    grads = function(params, batch, key)
    check_same_structure("against(...)", grads, params, "the parameters", dtypes=False)
    grads = jax.tree.map(
        lambda grad, leaf: jnp.asarray(grad, jnp.result_type(grad, leaf)), grads, params
    )
    check_floating("against(...)", grads)
    return grads, one


def scalar(value: ArrayLike) -> Array:
    """The value of an objective; refuses what is not a real number."""
    value = jnp.asarray(value)
    if value.shape != ():
        raise ValueError(f"objective must return a scalar; got shape {value.shape}.")
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise TypeError(
            f"objective must return a real floating-point number; got {value.dtype}."
        )
    return value
