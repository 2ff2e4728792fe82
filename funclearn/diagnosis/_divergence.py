"""Why a run diverged, as a value and as text."""

import dataclasses
import math

import numpy as np

from funclearn._types import Params
from funclearn.diagnosis._causes import Word
from funclearn.diagnosis._curvature import Stability

__all__ = ["Divergence", "DivergenceCause"]


class DivergenceCause(Word):
    """Why a run diverged."""

    DATA = "data"
    START = "start"
    GRADIENT = "gradient"
    CURVATURE = "curvature"
    LEARNING_RATE = "learning rate"
    ELSEWHERE = "elsewhere"


_MESSAGES = {
    DivergenceCause.DATA: "The training data hold values that are not finite.",
    DivergenceCause.START: "The loss is not finite at the initial parameters, before "
    "any step.",
    DivergenceCause.GRADIENT: "The gradient is not finite where the loss still is: "
    "look for roots, logarithms and divisions at zero.",
    DivergenceCause.CURVATURE: "The largest curvature there, {curvature:.4g}, leaves "
    "no stable learning rate in this precision: scale the data or the parameters.",
    DivergenceCause.LEARNING_RATE: "The learning rate {learning_rate:g} is "
    "{excess:.3g} times the largest stable one, {limit:.3g}: the largest curvature is "
    "{curvature:.4g}.",
    DivergenceCause.ELSEWHERE: "The learning rate {learning_rate:g} is below the "
    "largest stable one there, {limit:.3g}: the loss bends more strongly elsewhere, or "
    "in single batches.",
}


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

    cause: DivergenceCause | str
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
        message = _MESSAGES[DivergenceCause(self.cause)].format(
            learning_rate=self.learning_rate,
            limit=self.limit,
            excess=self.learning_rate / (self.limit or math.nan),
            curvature=float(self.stability.largest),
        )
        if self.cause in (DivergenceCause.DATA, DivergenceCause.START):
            return message
        history = (
            f"The training loss was lowest, {self.last_good_loss:.4g}, at epoch "
            f"{self.last_good_epoch}"
        )
        if self.not_finite_epoch != self.first_bad_epoch:
            history += f", and rose from epoch {self.first_bad_epoch} on"
        if self.not_finite_epoch is not None:
            history += f"; from epoch {self.not_finite_epoch} on it is not finite"
        if self.cause in (DivergenceCause.GRADIENT, DivergenceCause.CURVATURE):
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
