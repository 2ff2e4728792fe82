"""What a run that blew up died of.

A run is a pure function, so nothing has to be kept for the inquest: the steps up to the
last good epoch are made once more, and give the same bits.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from funclearn._checks import positive_number
from funclearn._diagnosis.curvature import Stability, check_momentum, stability
from funclearn._diagnosis.curves import (
    all_finite,
    default_history,
    has_risen,
    was_stopped,
)
from funclearn._types import Batch, Objective, Params
from funclearn.data import Dataset, Scaler
from funclearn.stopping import max_epochs
from funclearn.training import fit

__all__ = ["Divergence", "explain_divergence"]

_CAUSES = {
    "data": "The training data hold values that are not finite.",
    "start": "The loss is not finite at the initial parameters, before any step.",
    "gradient": "The gradient is not finite where the loss still is: look for roots, "
    "logarithms and divisions at zero.",
    "curvature": "The largest curvature there, {curvature:.4g}, leaves no stable "
    "learning rate in this precision: scale the data or the parameters.",
    "learning rate": "The learning rate {learning_rate:g} is {excess:.3g} times the "
    "largest stable one, {limit:.3g}: the largest curvature is {curvature:.4g}.",
    "elsewhere": "The learning rate {learning_rate:g} is below the largest stable one "
    "there, {limit:.3g}: the loss bends more strongly elsewhere, or in single "
    "batches.",
}

_OF_A_SCHEDULE = " Of a schedule give the rate at which the run went wrong."
_EARLY, _SAME = 3, 1e-3  # epochs to compare a run and its repetition by, and how well


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Divergence:
    """When a run went wrong, from where, and why; as text, what its user should read.

    Attributes:
        cause: `"data"`, `"start"` or `"gradient"` if these are not finite;
            `"curvature"` if it leaves no limit above 0; `"learning rate"` if that is
            above the limit; `"elsewhere"` if it is below.
        last_good_epoch: the epoch with the lowest training loss, counted from 1; 0 if
            none was finite.
        last_good_loss: its training loss, or that at the start.
        last_good_params: the parameters before its update, or those at the start.
        first_bad_epoch: the next epoch; from it on the loss is never as low again.
        not_finite_epoch: the first epoch whose loss is not finite, or the next one
            where the last update left parameters that are not; else None.
        learning_rate: what the run was made with.
        stability: the curvatures at the last good parameters.
        limit: the largest stable learning rate there.
        scaled_limit: the same with the inputs divided by `stability.input_scale`; None
            for data whose inputs are not one floating-point array.
    """

    cause: str
    last_good_epoch: int
    last_good_loss: float
    last_good_params: Params
    first_bad_epoch: int
    not_finite_epoch: int | None
    learning_rate: float
    stability: Stability
    limit: float
    scaled_limit: float | None

    @property
    def suggestion(self) -> float:
        """A learning rate to try: half of the limit, or of what was too large."""
        limit = self.limit if self.limit > 0 else math.inf
        return min(limit, self.learning_rate) / 2

    def __str__(self) -> str:
        """What happened, why, and what to try."""
        message = _CAUSES[self.cause].format(
            learning_rate=self.learning_rate,
            limit=self.limit,
            excess=self.learning_rate / (self.limit or math.nan),
            curvature=float(self.stability.largest),
        )
        if self.cause in ("data", "start"):
            return message
        history = (
            f"The training loss was lowest, {self.last_good_loss:.4g}, at epoch "
            f"{self.last_good_epoch}"
        )
        if self.not_finite_epoch != self.first_bad_epoch:
            history += f", and rose from epoch {self.first_bad_epoch} on"
        if self.not_finite_epoch is not None:
            history += f"; from epoch {self.not_finite_epoch} on it is not finite"
        if self.cause in ("gradient", "curvature"):
            return f"{history}. {message}"
        return f"{history}. {message} {self._remedy()}"

    def _remedy(self) -> str:
        remedy = f"Try {self.suggestion:.2g}"
        if self.scaled_limit is None or self.scaled_limit <= self.limit:
            return f"{remedy}."
        scale = np.asarray(self.stability.input_scale)
        by = f"{scale.item():.3g}" if scale.size == 1 else "their root mean squares"
        return (
            f"{remedy}, or divide the inputs by {by}: up to {self.scaled_limit:.2g} is "
            "stable then."
        )


def explain_divergence(
    run: Any,
    objective: Objective,
    train_step: Callable[..., Any],
    state: Any,
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
    losses, end, good = _last_good(run)
    ends_well = all_finite(getattr(run.state, "params", ()))
    if end == len(losses) and ends_well:
        if not has_risen(losses, stopped=was_stopped(run)):
            return None
    if good > 0:
        again = fit(
            train_step,
            state,
            train,
            epochs=len(losses),
            batch_size=batch_size,
            stop=max_epochs(max(good - 1, 1)),
        )
        _check_same_run(losses[: int(again.epochs)], again.history.loss)
        state = again.state if good > 1 else state

    def curvatures_and_limit(rows: Batch) -> tuple[Stability, float]:
        found = _stability(objective, state.params, rows, state.key)
        return found, float(found.limit(momentum, nesterov=nesterov))

    curvatures, limit = curvatures_and_limit(train)
    scaled_limit = None
    if isinstance(train, Dataset) and curvatures.input_scale is not None:
        scaler = Scaler(input_scale=curvatures.input_scale)
        _, scaled_limit = curvatures_and_limit(scaler(train))
    if not all_finite(train):
        cause = "data"
    elif end == 0:
        cause = "start"
    elif not all_finite(jax.grad(objective)(state.params, train, state.key)):
        cause = "gradient"
    elif not limit > 0:
        cause = "curvature"
    else:
        cause = "learning rate" if learning_rate > limit else "elsewhere"
    return Divergence(
        cause=cause,
        last_good_epoch=good,
        last_good_loss=float(losses[max(good - 1, 0)]),
        last_good_params=state.params,
        first_bad_epoch=good + 1,
        not_finite_epoch=None if end == len(losses) and ends_well else end + 1,
        learning_rate=learning_rate,
        stability=curvatures,
        limit=limit,
        scaled_limit=scaled_limit,
    )


_stability = jax.jit(stability, static_argnums=0)


def _last_good(run: Any) -> tuple[np.ndarray, int, int]:
    """The losses, how many are finite before one is not, the epoch of the lowest."""
    losses = np.asarray(default_history(run).loss, np.float64)
    if losses.ndim != 1 or int(run.epochs) == 0:
        raise ValueError(
            "run must be a single run of at least one epoch; got losses of shape "
            f"{losses.shape}, of {run.epochs} epochs."
        )
    losses = losses[: int(run.epochs)]
    finite = np.isfinite(losses)
    end = len(losses) if finite.all() else int(np.argmin(finite))
    return losses, end, int(np.argmin(losses[:end])) + 1 if end else 0


def _check_same_run(losses: np.ndarray, again: Any) -> None:
    # Later epochs may differ by roundings that an unstable run amplifies.
    early = losses[:_EARLY]
    replayed = np.asarray(again)[: len(early)]
    if not np.allclose(replayed, early, rtol=_SAME, atol=_SAME * abs(early[0])):
        raise ValueError(
            "train_step, state, train and batch_size must be those of the run; they "
            f"give the losses {replayed}, and its history holds {early}."
        )
