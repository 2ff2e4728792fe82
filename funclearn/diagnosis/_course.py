"""How a run went, and the state in which it was last good."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from funclearn._types import Batch
from funclearn.diagnosis._precision import half_precision
from funclearn.diagnosis._rises import has_risen
from funclearn.diagnosis._runs import default_history, ends_finite, was_stopped
from funclearn.stopping import max_epochs
from funclearn.training import Run, TrainState, TrainStep, fit

__all__ = ["Course", "course_of", "state_before"]

# Epochs by which a run and its repetition are compared: later ones may differ by
# roundings that an unstable run amplifies.
_EARLY = 3
# How well they must agree: far above the roundings of single precision.
_SAME = 1e-3
# Roundings that the first epochs of fewer than 32 bits may differ by.
_ROUNDINGS = 8
# A rule that stopped a run early says nothing of how long another rate takes to go
# wrong; a planned million of epochs need not be made again.
_ENOUGH = 300


class Course(NamedTuple):
    """How a run went.

    Attributes:
        losses: `(epochs,)`, those of the epochs that ran.
        finite: how many of them are finite before one is not.
        good: the epoch with the lowest of these, counted from 1; 0 without any.
        not_finite_epoch: the first epoch whose loss is not finite, or the next one
            where the last update left parameters that are not; else None.
        diverged: whether a loss or a parameter is not finite, or the loss rose.
        planned: how many epochs would have run without a stopping rule.
    """

    losses: np.ndarray
    finite: int
    good: int
    not_finite_epoch: int | None
    diverged: bool
    planned: int

    @property
    def rerun_epochs(self) -> int:
        """Epochs that show whether a run made again learns."""
        return max(len(self.losses), min(self.planned, _ENOUGH))


def course_of(run: Run) -> Course:
    """How a run went.

    Raises:
        TypeError: if the history is not the default one.
        ValueError: if it is a mapped run, or no epoch ran.
    """
    history = default_history(run).loss
    losses = np.asarray(history, np.float64)
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
    diverged = not fine or has_risen(losses, stopped=was_stopped(run))
    return Course(losses, end, good, None if fine else end + 1, diverged, len(history))


def state_before(
    epoch: int,
    course: Course,
    train_step: TrainStep,
    state: TrainState,
    train: Batch,
    batch_size: int | None,
) -> TrainState:
    """The state before an epoch's first update, from the steps made once more.

    Args:
        epoch: counted from 1; 0 is the start, too.
        course: of the run that was made with the other arguments.
        train_step: as given to `fit`, like the rest.
        state: where the run started.
        train: the training data.
        batch_size: rows a step.

    Raises:
        ValueError: if the same arguments do not make the same losses again.
    """
    if epoch == 0:
        return state
    again = fit(
        train_step,
        state,
        train,
        epochs=len(course.losses),
        batch_size=batch_size,
        # At least one, so that there is a loss to compare.
        stop=max_epochs(max(epoch - 1, 1)),
    )
    losses = np.asarray(again.history.loss, np.float64)[: int(again.epochs)]
    dtype = half_precision((again.history.loss, state.params, train))
    _check_same_run(course, losses, dtype)
    return again.state if epoch > 1 else state


def _check_same_run(course: Course, again: np.ndarray, dtype: str | None) -> None:
    early = course.losses[: min(_EARLY, len(again))]
    replayed = again[: len(early)]
    # XLA may leave roundings to fewer than 32 bits out, so that the same program within
    # another one rounds otherwise, and overflows later.
    rtol = _SAME if dtype is None else _ROUNDINGS * float(jnp.finfo(dtype).eps)
    atol = rtol * abs(float(early[0])) if np.isfinite(early[0]) else 0.0
    same = np.isclose(replayed, early, rtol=rtol, atol=atol, equal_nan=True)
    if dtype is not None:
        same |= ~np.isfinite(replayed) | ~np.isfinite(early)
    if not same.all():
        raise ValueError(
            "train_step, state, train and batch_size must be those of the run; they "
            f"give the losses {replayed}, and its history holds {early}."
        )
