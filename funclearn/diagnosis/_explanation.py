"""When, from where and why a run diverged.

A run is a pure function, so nothing has to be recorded beforehand: the steps up to the
last good epoch are made once more, and give the same bits.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from funclearn import _programs
from funclearn._checks import positive_number
from funclearn._types import Batch, Objective, Params
from funclearn.data import Dataset, Scaler
from funclearn.diagnosis._curvature import Stability, check_momentum, stability
from funclearn.diagnosis._curves import has_risen
from funclearn.diagnosis._divergence import Divergence, DivergenceCause
from funclearn.diagnosis._runs import (
    all_finite,
    default_history,
    ends_finite,
    was_stopped,
)
from funclearn.stopping import max_epochs
from funclearn.training import Run, TrainState, TrainStep, fit

__all__ = ["explain_divergence"]

_OF_A_SCHEDULE = " Of a schedule give the rate at which the run went wrong."

# Epochs by which a run and its repetition are compared: later ones may differ by
# roundings that an unstable run amplifies.
_EARLY = 3
# How well they must agree: far above the roundings of single precision.
_SAME = 1e-3


def explain_divergence(
    run: Run,
    objective: Objective,
    train_step: TrainStep,
    state: TrainState,
    train: Batch,
    *,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    batch_size: int | None = None,
) -> Divergence | None:
    """Finds out when, from where and why a run diverged.

    Args:
        run: from `fit(train_step, state, train, batch_size=batch_size, ...)`, with a
            stopping rule or without, and with the default history.
        objective: what `train_step` minimises.
        train_step: as given to `fit`.
        state: as given to `fit`.
        train: as given to `fit`.
        learning_rate: of gradient descent, what `train_step` was made with.
        momentum: likewise.
        nesterov: whether the momentum is Nesterov's.
        batch_size: as given to `fit`.

    Returns:
        None if all losses and the final parameters are finite, and the loss does not
        end above its start by more than a tenth, its jitter and rounding.

    Raises:
        TypeError: if the history is not the default one, or the learning rate or the
            momentum no number.
        ValueError: if it is a mapped run, no epoch ran, a number is out of its range,
            or the same arguments do not make the same losses again.
    """
    learning_rate = positive_number("learning_rate", learning_rate, _OF_A_SCHEDULE)
    check_momentum(momentum)
    course = _course(run)
    if course.not_finite_epoch is None:
        if not has_risen(course.losses, stopped=was_stopped(run)):
            return None
    state = _last_good_state(course, train_step, state, train, batch_size)
    limits = _limits(objective, state, train, momentum, nesterov)
    return Divergence(
        cause=_cause(course, limits.limit, learning_rate, objective, state, train),
        last_good_epoch=course.good,
        last_good_loss=float(course.losses[max(course.good - 1, 0)]),
        last_good_params=state.params,
        first_bad_epoch=course.good + 1,
        not_finite_epoch=course.not_finite_epoch,
        learning_rate=learning_rate,
        stability=limits.stability,
        limit=limits.limit,
        scaled_limit=limits.scaled_limit,
    )


class _Course(NamedTuple):
    """How a run went.

    Attributes:
        losses: `(epochs,)`, those of the epochs that ran.
        finite: how many of them are finite before one is not.
        good: the epoch with the lowest of these, counted from 1; 0 without any.
        not_finite_epoch: the first epoch whose loss is not finite, or the next one
            where the last update left parameters that are not; else None.
    """

    losses: np.ndarray
    finite: int
    good: int
    not_finite_epoch: int | None


def _course(run: Run) -> _Course:
    losses = np.asarray(default_history(run).loss, np.float64)
    if losses.ndim != 1 or int(run.epochs) == 0:
        raise ValueError(
            "run must be a single run of at least one epoch; got losses of shape "
            f"{losses.shape}, of {run.epochs} epochs."
        )
    losses = losses[: int(run.epochs)]
    finite = np.isfinite(losses)
    end = len(losses) if finite.all() else int(np.argmin(finite))
    good = int(np.argmin(losses[:end])) + 1 if end else 0
    fine = end == len(losses) and ends_finite(run)
    return _Course(losses, end, good, None if fine else end + 1)


def _last_good_state(
    course: _Course,
    train_step: TrainStep,
    state: TrainState,
    train: Batch,
    batch_size: int | None,
) -> TrainState:
    """The state before the update of the epoch with the lowest loss."""
    if course.good == 0:
        return state
    again = fit(
        train_step,
        state,
        train,
        epochs=len(course.losses),
        batch_size=batch_size,
        # At least one, so that there is a loss to compare.
        stop=max_epochs(max(course.good - 1, 1)),
    )
    _check_same_run(course.losses[: int(again.epochs)], again.history.loss)
    return again.state if course.good > 1 else state


def _check_same_run(losses: np.ndarray, again: Array) -> None:
    early = losses[:_EARLY]
    replayed = np.asarray(again)[: len(early)]
    if not np.allclose(replayed, early, rtol=_SAME, atol=_SAME * abs(early[0])):
        raise ValueError(
            "train_step, state, train and batch_size must be those of the run; they "
            f"give the losses {replayed}, and its history holds {early}."
        )


class _Limits(NamedTuple):
    """The curvatures, and the largest stable learning rates, raw and scaled."""

    stability: Stability
    limit: float
    scaled_limit: float | None


def _limits(
    objective: Objective,
    state: TrainState,
    train: Batch,
    momentum: float,
    nesterov: bool,
) -> _Limits:
    compiled = _programs.kept(_compiled_stability, (objective,))

    def look(rows: Batch) -> tuple[Stability, float]:
        found = compiled(state.params, rows, state.key)
        return found, float(found.limit(momentum, nesterov=nesterov))

    curvatures, limit = look(train)
    if not isinstance(train, Dataset) or curvatures.input_scale is None:
        return _Limits(curvatures, limit, None)
    scaler = Scaler(input_scale=curvatures.input_scale)
    return _Limits(curvatures, limit, look(scaler(train))[1])


_Curvatures: TypeAlias = Callable[[Params, Batch, PRNGKeyArray], Stability]


def _compiled_stability(take: Callable[[], tuple[Objective]]) -> _Curvatures:
    @jax.jit
    def compiled(params: Params, batch: Batch, key: PRNGKeyArray) -> Stability:
        return stability(*take(), params, batch, key)

    return compiled


def _cause(
    course: _Course,
    limit: float,
    learning_rate: float,
    objective: Objective,
    state: TrainState,
    train: Batch,
) -> DivergenceCause:
    if not all_finite(train):
        return DivergenceCause.DATA
    if course.finite == 0:
        return DivergenceCause.START
    if not all_finite(jax.grad(objective)(state.params, train, state.key)):
        return DivergenceCause.GRADIENT
    if not limit > 0:
        return DivergenceCause.CURVATURE
    if learning_rate > limit:
        return DivergenceCause.LEARNING_RATE
    return DivergenceCause.ELSEWHERE
