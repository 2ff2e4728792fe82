"""Samples of an objective around a point, carried out in float64."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from funclearn._programs import kept
from funclearn._types import Params
from funclearn.gradients._differences import Differences, differences
from funclearn.gradients._evaluation import Arguments, Take, scalar, traced
from funclearn.gradients._problem import Function, Problem, Rest, Settings
from funclearn.gradients._promotion import run, run_rounded
from funclearn.gradients._rounding import widen
from funclearn.gradients._stencil import stencil

__all__ = ["Value", "finite_differences"]

# Samples taken side by side: an accelerator needs many, a CPU is faster with few. Each
# has its own copy of the parameters, of which no more than 64 MiB are made at once.
_CPU_BLOCK, _BLOCK, _BLOCK_BYTES = 4, 256, 2**26


class Value(NamedTuple):
    """The objective at the point: in float64, its spread, in its own precision."""

    value: float
    spread: float
    own: float


def finite_differences(
    problem: Problem,
    objective: Function,
    which: np.ndarray | None = None,
    largest: np.ndarray | None = None,
) -> tuple[Differences, Value]:
    """Derivatives by finite differences, and the objective at the point itself.

    Args:
        problem: where they are taken.
        objective: of what.
        which: of the chosen coordinates; None takes all.
        largest: the largest step in each of these; None takes their sizes.
    """
    count = len(problem.chosen)
    if which is None or largest is None:
        which, largest = np.arange(count), problem.sizes[problem.chosen]
    chosen = problem.chosen[which]
    where = stencil(problem.point[chosen], largest, problem.settings.order)
    # The same program samples a few of the coordinates: the rest of the places is idle.
    moves = np.zeros((count, *where.moves.shape[1:]))
    moves[: len(which)] = where.moves
    block = _CPU_BLOCK if jax.default_backend() == "cpu" else _BLOCK
    block = max(1, min(block, _BLOCK_BYTES // problem.point.nbytes))
    program = kept(
        _sample, objective.functions, objective.rest, block, problem.settings
    )
    samples, *centre = program(
        objective.arrays,
        problem.arguments,
        problem.direction,
        (np.resize(chosen, count), moves, where.shifts),
        where.moves.size,
    )
    value = Value(*map(float, centre))
    samples = np.asarray(samples)[: len(which)]
    return differences(where, samples, value.value, value.spread), value


def _sample(
    take: Take, rest: Rest, block: int, settings: Settings
) -> Callable[..., tuple[Array, Array, Array, Array]]:
    """Makes the program of an objective's samples and of its value at the point."""

    @jax.jit
    def sample(
        arrays: list[Array],
        arguments: Arguments,
        direction: Params,
        where: tuple[Array, Array, Array],
        count: Array,
    ) -> tuple[Array, Array, Array, Array]:
        # As above, a function of its own for every trace.
        def objective(arrays: list[Array], arguments: Arguments) -> Array:
            return scalar(rest.fill(arrays, take())(*arguments))

        inputs = (arrays, arguments)
        program = traced(objective, inputs, settings)
        (arrays, (params, *others)), direction = jax.tree.map(
            widen, (inputs, direction)
        )
        point, unravel = ravel_pytree(params)
        direction, _ = ravel_pytree(direction)

        def value(sample: list[Array]) -> Array:
            coordinate, move, shift = sample
            moved = unravel(point.at[coordinate].add(move) + shift * direction)
            return run(program, arrays, (moved, *others))

        coordinates, moves, shifts = where
        samples = jnp.broadcast_arrays(coordinates[:, None, None], moves, shifts[None])
        values = _mapped(value, [*map(jnp.ravel, samples)], count, block)
        # Constants are the same in all samples, and so are most parameters at order 1.
        centre = run_rounded(
            program, *inputs, constants=False, arguments=settings.order == 2
        )
        return values.reshape(moves.shape), *centre, program(*inputs)

    return sample


def _mapped(
    function: Callable[[list[Array]], Array],
    arguments: list[Array],
    count: Array,
    block: int,
) -> Array:
    """Maps a function over the first of so many arguments, block by block."""
    n_idle = -arguments[0].size % block
    arguments = [jnp.pad(argument, (0, n_idle)) for argument in arguments]

    def fill(number: Array, values: Array) -> Array:
        start = number * block
        here = [jax.lax.dynamic_slice_in_dim(x, start, block) for x in arguments]
        new = jax.vmap(function)(here)
        return jax.lax.dynamic_update_slice_in_dim(values, new, start, 0)

    values = jnp.zeros(arguments[0].shape)
    values = jax.lax.fori_loop(0, -(-count // block), fill, values)
    return values[: values.size - n_idle]
