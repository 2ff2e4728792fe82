"""The iterations of one update of L-BFGS."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from funclearn._types import Scalar, ScalarLike
from funclearn.optimizers._lbfgs_memory import Memory, descent, dot, remembered
from funclearn.optimizers._strong_wolfe import Point, strong_wolfe

__all__ = [
    "Descent",
    "Evaluate",
    "LBFGSState",
    "LineSearchLBFGSState",
    "Settings",
    "Vector",
    "descended",
    "start_descent",
]

Vector: TypeAlias = Float[Array, " n"]
Evaluate: TypeAlias = Callable[[Vector], tuple[Scalar, Vector]]


class LBFGSState(NamedTuple):
    """What `lbfgs` carries from update to update, all parameters in one vector.

    Attributes:
        count: number of updates, PyTorch's calls of `step`.
        iterations: number of iterations in all of them.
        evaluations: number of evaluations of the objective, PyTorch's of `closure`.
        direction: the last direction.
        step: the last step along it.
        gradient: the gradient at its start.
        memory: the pairs of steps and differences of gradients.
    """

    count: Int[Array, ""]  # pyright: ignore[reportIncompatibleMethodOverride]
    iterations: Int[Array, ""]
    evaluations: Int[Array, ""]
    direction: Vector
    step: Scalar
    gradient: Vector
    memory: Memory


class LineSearchLBFGSState(LBFGSState):
    """The same of `lbfgs` with a line search.

    Attributes:
        has_line_search: tells a train step that the update is a loop of unknown length,
            which reverse-mode differentiation cannot cross.
    """

    has_line_search = True


class Settings(NamedTuple):
    """The arguments of `lbfgs` that its iterations go by."""

    max_iter: int
    max_eval: int
    tolerance_grad: ScalarLike
    tolerance_change: ScalarLike
    searches: bool


class Descent(NamedTuple):
    """What the iterations of one update carry.

    Attributes:
        state: the optimizer's.
        params: the parameters.
        loss: the objective there.
        gradient: its gradient there.
        iteration: how many iterations this update has made.
        evaluations: how many evaluations, the first one at its start included.
        active: whether it goes on.
    """

    state: LBFGSState
    params: Vector
    loss: Scalar
    gradient: Vector
    iteration: Int[Array, ""]
    evaluations: Int[Array, ""]
    active: Bool[Array, ""]


def start_descent(
    state: LBFGSState,
    params: Vector,
    loss: ScalarLike,
    gradient: Vector,
    settings: Settings,
) -> Descent:
    """The beginning of an update."""
    return Descent(
        state,
        params,
        jnp.asarray(loss, params.dtype),
        gradient,
        iteration=jnp.zeros((), jnp.int32),
        evaluations=jnp.ones((), jnp.int32),
        active=~(_largest(gradient) <= settings.tolerance_grad),
    )


def descended(
    run: Descent, rate: Scalar, evaluate: Evaluate | None, settings: Settings
) -> Descent:
    """All iterations of an update.

    Args:
        run: its beginning.
        rate: the learning rate.
        evaluate: the objective and its gradient; None where one iteration without a
            line search is made.
        settings: of the optimizer.
    """

    def iterate(run: Descent) -> Descent:
        return _iterated(run, rate, evaluate, settings)

    if settings.searches:
        return jax.lax.while_loop(lambda run: run.active, iterate, run)

    # Of static length, which reverse-mode differentiation needs.
    def turn(run: Descent, _: None) -> tuple[Descent, None]:
        return jax.lax.cond(run.active, iterate, _same, run), None

    run, _ = jax.lax.scan(turn, run, length=settings.max_iter)
    return run


def _iterated(
    run: Descent, rate: Scalar, evaluate: Evaluate | None, settings: Settings
) -> Descent:
    state, gradient = run.state, run.gradient
    memory = remembered(
        state.memory, state.step * state.direction, gradient - state.gradient
    )
    direction = descent(memory, gradient)
    total = jnp.sum(jnp.abs(gradient))
    long = (state.iterations == 0) & (total > 1)
    step = jnp.where(long, 1 / jnp.where(long, total, 1), 1) * rate
    slope = dot(gradient, direction)
    state = state._replace(
        iterations=state.iterations + 1,
        direction=direction,
        step=step,
        gradient=gradient,
        memory=memory,
    )
    run = run._replace(
        state=state,
        iteration=run.iteration + 1,
        active=~(slope > -settings.tolerance_change),
    )

    def move(run: Descent) -> Descent:
        if evaluate is not None and settings.searches:
            after = _searched(run, slope, evaluate, settings)
        else:
            after = _moved(run, evaluate, settings)
        return after._replace(active=_goes_on(after, run, settings))

    return jax.lax.cond(run.active, move, _same, run)


def _moved(run: Descent, evaluate: Evaluate | None, settings: Settings) -> Descent:
    """The step without a search."""
    params = run.params + run.state.step * run.state.direction
    run = run._replace(params=params)
    if evaluate is None:
        return run

    def evaluated(run: Descent) -> Descent:
        loss, gradient = evaluate(run.params)
        return run._replace(
            loss=loss, gradient=gradient, evaluations=run.evaluations + 1
        )

    return jax.lax.cond(run.iteration < settings.max_iter, evaluated, _same, run)


def _searched(
    run: Descent, slope: Scalar, evaluate: Evaluate, settings: Settings
) -> Descent:
    """The step that the line search finds."""
    direction = run.state.direction

    def along(at: Scalar) -> Point:
        loss, gradient = evaluate(run.params + at * direction)
        return Point(at, loss, gradient, dot(gradient, direction))

    start = Point(jnp.zeros_like(slope), run.loss, run.gradient, slope)
    left = settings.max_eval - run.evaluations
    size = _largest(direction)
    found, evaluations = strong_wolfe(along, start, run.state.step, size, left)
    return run._replace(
        state=run.state._replace(step=found.at),
        params=run.params + found.at * direction,
        loss=found.value,
        gradient=found.gradient,
        evaluations=run.evaluations + evaluations,
    )


def _goes_on(run: Descent, before: Descent, settings: Settings) -> Bool[Array, ""]:
    ends = (
        run.iteration >= settings.max_iter,
        run.evaluations >= settings.max_eval,
        _largest(run.gradient) <= settings.tolerance_grad,
        _largest(run.state.step * run.state.direction) <= settings.tolerance_change,
        jnp.abs(run.loss - before.loss) < settings.tolerance_change,
    )
    return ~jnp.any(jnp.stack(ends))


def _largest(vector: Vector) -> Scalar:
    return jnp.max(jnp.abs(vector))


def _same(run: Descent) -> Descent:
    return run
