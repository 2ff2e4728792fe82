"""Why a run diverged, as a value and as text."""

import dataclasses
import math

import numpy as np

from funclearn._types import Params
from funclearn._words import printed
from funclearn.diagnosis._causes import Word, as_html, as_text
from funclearn.diagnosis._curvature import Stability

__all__ = ["Divergence", "DivergenceCause"]


class DivergenceCause(Word):
    """Why a run diverged."""

    DATA = "data"
    START = "start"
    PRECISION = "precision"
    GRADIENT = "gradient"
    SIGN = "sign of the gradient"
    WRONG_GRADIENT = "wrong gradient"
    UPHILL = "uphill"
    UNBOUNDED = "no minimum"
    DECAY = "weight decay"
    SCHEDULE = "schedule"
    BATCHES = "minibatches"
    OVERFLOW = "overflow"
    DOMAIN = "outside the domain"
    CURVATURE = "curvature"
    LEARNING_RATE = "learning rate"
    ELSEWHERE = "elsewhere"
    CANNOT_TELL = "cannot tell"


_MESSAGES = {
    DivergenceCause.DATA: "The training data hold values that are not finite.",
    DivergenceCause.START: "The loss is not finite at the initial parameters, before "
    "any step{detail}.",
    DivergenceCause.PRECISION: "The numbers of fewer than 32 bits are to blame"
    "{detail}.",
    DivergenceCause.GRADIENT: "The gradient is not finite where the loss still is"
    "{detail}.",
    DivergenceCause.SIGN: "The gradient that the steps are made with points the wrong "
    "way{detail}.",
    DivergenceCause.WRONG_GRADIENT: "The gradient that the steps are made with is not "
    "that of the objective{detail}; funclearn.gradients.compare shows where.",
    DivergenceCause.UPHILL: "The updates go along the gradient and not against it"
    "{detail}.",
    DivergenceCause.UNBOUNDED: "The objective has no minimum: along the last step it "
    "falls without bound. What is to be maximised needs a minus sign.",
    DivergenceCause.DECAY: "The weight decay is to blame{detail}.",
    DivergenceCause.SCHEDULE: "The schedule of the learning rate rises too far: held "
    "where it starts, the run learns.",
    DivergenceCause.BATCHES: "The minibatches are to blame: with all rows in every "
    "step the run learns at the same rate.",
    DivergenceCause.OVERFLOW: "At finite parameters a number grows too large{detail}.",
    DivergenceCause.DOMAIN: "A step leaves where the loss has a value{detail}.",
    DivergenceCause.CURVATURE: "The largest curvature there, {curvature:.4g}, leaves "
    "no stable learning rate in this precision: scale the data or the parameters.",
    DivergenceCause.LEARNING_RATE: "The learning rate {learning_rate:g} is too large"
    "{detail}.",
    DivergenceCause.ELSEWHERE: "The learning rate {learning_rate:g} is below the "
    "largest stable one where the loss was lowest, {limit:.3g}: the loss bends more "
    "strongly elsewhere.",
    DivergenceCause.CANNOT_TELL: "Why cannot be told: with no learning rate that was "
    "tried does the run learn, and nothing else was found to be wrong.",
}


_BEYOND_THE_LIMIT = (
    "The learning rate {learning_rate:g} is {excess:.3g} times the largest stable one, "
    "{limit:.3g}: the largest curvature is {curvature:.4g}."
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Divergence:
    """When a run went wrong, from where, and why; as text, what its user should read.

    Attributes:
        cause: why; `"cannot tell"` where no experiment found it out.
        last_good_epoch: the epoch with the lowest training loss, counted from 1; 0 if
            none was finite.
        last_good_loss: its training loss, or that at the start.
        last_good_params: the parameters before its update, or those at the start.
        first_bad_epoch: the next epoch; from it on the loss is never as low again.
        not_finite_epoch: the first epoch whose loss is not finite, or the next one
            where the last update left parameters that are not; else None.
        learning_rate: what the run was made with.
        stability: the curvatures at the last good parameters.
        limit: the largest stable learning rate there, decay included; NaN where the
            steps are not proportional to the gradient, for which there is none.
        scaled_limit: the same with the inputs divided by `stability.input_scale`; None
            for data whose inputs are not one floating-point array, and where the run
            made again like that does not learn.
        tested: a learning rate with which the run, made again with nothing else
            changed, learns; None if none was found.
        detail: what was measured, for the text.
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
    tested: float | None = None
    detail: str = ""

    @property
    def suggestion(self) -> float:
        """The learning rate to try: one that was tested, or else the same again."""
        return self.learning_rate if self.tested is None else self.tested

    def __str__(self) -> str:
        """What happened, why, and what to try."""
        cause = DivergenceCause(self.cause)
        message = _MESSAGES[cause]
        if cause is DivergenceCause.LEARNING_RATE and self.learning_rate > self.limit:
            message = _BEYOND_THE_LIMIT
        message = message.format(
            learning_rate=self.learning_rate,
            limit=self.limit,
            excess=self.learning_rate / (self.limit or math.nan),
            curvature=float(self.stability.largest),
            detail=self.detail and f": {self.detail}",
        )
        parts = [message, self._remedy()]
        if self.last_good_epoch and cause is not DivergenceCause.DATA:
            parts.insert(0, self._history())
        return " ".join(part for part in parts if part)

    def __rich__(self) -> object:
        """The same for `rich.print`, below the cause."""
        return as_text(str(self.cause).capitalize(), str(self))

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return as_html(str(self.cause).capitalize(), str(self))

    _repr_pretty_ = printed

    def _history(self) -> str:
        history = (
            f"The training loss was lowest, {self.last_good_loss:.4g}, at epoch "
            f"{self.last_good_epoch}"
        )
        if self.not_finite_epoch != self.first_bad_epoch:
            history += f", and rose from epoch {self.first_bad_epoch} on"
        if self.not_finite_epoch is not None:
            history += f"; from epoch {self.not_finite_epoch} on it is not finite"
        return f"{history}."

    def _remedy(self) -> str:
        if self.tested is None:
            return ""
        remedy = f"Try {self.tested:.2g}"
        scaled = self.scaled_limit
        if scaled is None or not scaled > self.limit:
            return f"{remedy}."
        scale = np.asarray(self.stability.input_scale)
        by = f"{scale.item():.3g}" if scale.size == 1 else "their root mean squares"
        return (
            f"{remedy}, or divide the inputs by {by}: up to {scaled:.2g} is stable "
            "then."
        )
