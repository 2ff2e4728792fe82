"""The verdicts that curves allow: their causes, and what is said about each."""

import enum
from typing import NamedTuple

from funclearn.diagnosis._curves import HORIZON

__all__ = ["REPORTS", "Cause", "Kind", "Report", "Word"]


class Word(enum.StrEnum):
    """A string out of a fixed set, which prints as the plain string does."""

    def __repr__(self) -> str:
        """The string in quotes, as in the text of a verdict or an explanation."""
        return repr(self.value)


class Kind(Word):
    """What a run suffers from."""

    DIVERGED = "diverged"
    OVERFITTING = "overfitting"
    UNDERFITTING = "underfitting"
    HEALTHY = "healthy"
    CANNOT_TELL = "cannot tell"


class Cause(Word):
    """What decided a verdict."""

    NOT_FINITE = "not finite"
    RISING = "rising"
    PARAMETERS_NOT_FINITE = "parameters not finite"
    VALIDATION_NOT_FINITE = "validation not finite"
    TOO_SHORT = "too short"
    LIKE_A_CONSTANT = "no better than a constant"
    UNSTABLE = "unstable"
    FLAT = "flat"
    PART = "curves part"
    MAY_PART = "curves may part"
    STILL_LEARNING = "still learning"
    NO_VALIDATION = "no validation"
    UNCERTAIN_VALIDATION = "uncertain validation"
    AGREE = "curves agree"


class Report(NamedTuple):
    """What is said about a cause.

    Attributes:
        kind: what the run suffers from.
        because: a sentence with fields for the epoch and the measured numbers.
        advice: the next thing to try.
    """

    kind: Kind
    because: str
    advice: str


_SLOW_DOWN = (
    "Lower the learning rate or scale the inputs; explain_divergence computes by how "
    "much."
)
_VALIDATE_MORE = (
    "Hold more rows out, or look at many splits (funclearn.validation.cross_validate)."
)

REPORTS = {
    Cause.NOT_FINITE: Report(
        Kind.DIVERGED,
        "the training loss is not finite at epoch {epoch}.",
        _SLOW_DOWN,
    ),
    Cause.RISING: Report(
        Kind.DIVERGED,
        "the training loss rose from {first_training:.4g} to {last_training:.4g}.",
        _SLOW_DOWN,
    ),
    Cause.PARAMETERS_NOT_FINITE: Report(
        Kind.DIVERGED,
        "the last update left parameters that are not finite.",
        _SLOW_DOWN,
    ),
    Cause.VALIDATION_NOT_FINITE: Report(
        Kind.CANNOT_TELL,
        "the validation loss is not finite at epoch {epoch}, and the training loss "
        "always is.",
        "Look at the validation data for values that are not finite, and at the metric "
        "for logarithms and divisions at zero.",
    ),
    Cause.TOO_SHORT: Report(
        Kind.CANNOT_TELL,
        "the number of epochs, {epochs:.0f}, is too small to show where it goes.",
        "Train for longer.",
    ),
    Cause.LIKE_A_CONSTANT: Report(
        Kind.UNDERFITTING,
        "the training loss stays at {last_training:.4g}, {share_of_baseline:.0%} of "
        "what the best constant prediction has.",
        "Try a larger model; if that does no better, the inputs hold no information "
        "about the targets.",
    ),
    Cause.UNSTABLE: Report(
        Kind.CANNOT_TELL,
        "the training loss was as low as {lowest_training:.4g}, ends at "
        "{last_training:.4g} and jitters by {jitter:.2g}.",
        "Lower the learning rate.",
    ),
    Cause.FLAT: Report(
        Kind.CANNOT_TELL,
        "the training loss goes from {first_training:.4g} to {last_training:.4g}, "
        "which is next to nothing, or no more than it jitters; it may have started at "
        "its floor, or have learnt nothing.",
        "Compare it with the best constant prediction (baseline), and try other "
        "learning rates.",
    ),
    Cause.PART: Report(
        Kind.OVERFITTING,
        "from epoch {epoch} on the training loss goes to {last_training:.4g}, and "
        "the validation loss goes from {lowest_validation:.4g} to "
        "{last_validation:.4g}.",
        "Try more data, a simpler model, a penalty, or noise on the inputs; or stop at "
        "that epoch.",
    ),
    Cause.MAY_PART: Report(
        Kind.CANNOT_TELL,
        "from epoch {epoch} on the curves part by {parting:.0%} of the validation "
        "loss, and chance could part them by {by_chance:.0%}.",
        _VALIDATE_MORE,
    ),
    Cause.STILL_LEARNING: Report(
        Kind.UNDERFITTING,
        "the training loss is {last_training:.4g} and still falls, as far as to "
        f"{{floor:.4g}} if it goes on as now for {HORIZON} times as long.",
        "Train for longer, with a larger learning rate, or on scaled inputs.",
    ),
    Cause.NO_VALIDATION: Report(
        Kind.CANNOT_TELL,
        "the training loss has settled at {last_training:.4g}, but nothing shows how "
        "other rows fare.",
        "Hold rows out, and give them to fit.",
    ),
    Cause.UNCERTAIN_VALIDATION: Report(
        Kind.CANNOT_TELL,
        "the curves fall together, but chance could part them by {by_chance:.0%} of "
        "the validation loss: too few rows, or too much jitter.",
        _VALIDATE_MORE,
    ),
    Cause.AGREE: Report(
        Kind.HEALTHY,
        "the training loss ends at {last_training:.4g} and the validation loss at "
        "{last_validation:.4g}, and neither has left the other behind.",
        "There is nothing to repair; a larger model may reach lower.",
    ),
}
