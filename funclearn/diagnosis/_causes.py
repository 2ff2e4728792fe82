"""The verdicts that curves allow: their causes, and what is said about each."""

import enum
import html
from typing import NamedTuple

from funclearn.diagnosis._falls import HORIZON

__all__ = ["REPORTS", "Cause", "Kind", "Report", "Word", "as_html", "as_text"]


class Word(enum.StrEnum):
    """A string out of a fixed set, which prints as the plain string does."""

    def __repr__(self) -> str:
        """The string in quotes, as in the text of a verdict or an explanation."""
        return repr(self.value)


def as_text(word: str, text: str) -> object:
    """What rich prints of a report: its word in bold, and its text."""
    from rich.text import Text

    return Text.assemble((word, "bold"), f": {text}")


def as_html(word: str, text: str) -> str:
    """The same for a notebook."""
    return f"<p><strong>{html.escape(word)}</strong>: {html.escape(text)}</p>"


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
    UNKNOWN_DIRECTION = "unknown direction"
    PART = "curves part"
    LEVEL = "level gap"
    MAY_PART = "curves may part"
    MAY_LAG = "gap may count"
    STILL_LEARNING = "still learning"
    MAY_STILL_LEARN = "may still learn"
    NO_VALIDATION = "no validation"
    UNCERTAIN_VALIDATION = "uncertain validation"
    AGREE = "curves agree"


class Report(NamedTuple):
    """What is said about a cause.

    Attributes:
        kind: what the run suffers from.
        because: a sentence with fields for the epoch, the measured numbers and the
            name of what is judged beside the training loss.
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
        "the {judged} is not finite at epoch {epoch}, and the training loss always is.",
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
        "the training loss stays at {last_training:.4g}, where the best constant "
        "prediction has {baseline:.4g}.",
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
        "which is little, or no more than it jitters; it may have started near its "
        "floor, or have learnt next to nothing.",
        "Compare it with the best constant prediction (baseline), and try other "
        "learning rates.",
    ),
    Cause.UNKNOWN_DIRECTION: Report(
        Kind.CANNOT_TELL,
        "what evaluate returned goes from {first_validation:.4g} to "
        "{last_validation:.4g} and was never lower than at the start, while the "
        "training loss falls; it may be a metric of which more is better.",
        "Pass direction='max' for a metric that should rise, or on='validation' if it "
        "is the loss.",
    ),
    Cause.PART: Report(
        Kind.OVERFITTING,
        "from epoch {epoch} on the training loss goes to {last_training:.4g}, and "
        "the {judged} goes from {lowest_validation:.4g} to {last_validation:.4g}.",
        "Try more data, a simpler model, a penalty, or noise on the inputs; or stop at "
        "that epoch.",
    ),
    Cause.LEVEL: Report(
        Kind.OVERFITTING,
        "the training loss ends at {last_training:.4g}, and the {judged} stays behind "
        "at {last_validation:.4g}.",
        "Try more data, a simpler model, a penalty, or noise on the inputs; and look "
        "whether both sets are of one kind.",
    ),
    Cause.MAY_PART: Report(
        Kind.CANNOT_TELL,
        "the training loss ends at {last_training:.4g} and the {judged} at "
        "{last_validation:.4g}; from epoch {epoch} on they part by {parting:.0%}, and "
        "chance could part them by {by_chance:.0%}.",
        _VALIDATE_MORE,
    ),
    Cause.MAY_LAG: Report(
        Kind.CANNOT_TELL,
        "the training loss goes from {first_training:.4g} to {last_training:.4g} and "
        "the {judged} from {first_validation:.4g} to {last_validation:.4g}: too little "
        "a gap to count for sure, or too much by chance ({by_chance:.0%} of it), or "
        "rows that are harder by themselves.",
        _VALIDATE_MORE,
    ),
    Cause.STILL_LEARNING: Report(
        Kind.UNDERFITTING,
        "the training loss is {last_training:.4g} and still falls, as far as to "
        f"{{floor:.4g}} if it goes on as now for {HORIZON} times as long.",
        "Train for longer, with a larger learning rate, or on scaled inputs.",
    ),
    Cause.MAY_STILL_LEARN: Report(
        Kind.CANNOT_TELL,
        "the training loss ends at {last_training:.4g}, and may or may not go on "
        f"falling, as far as to {{floor:.4g}} in {HORIZON} times as long.",
        "Train for longer.",
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
        "the {judged}: too few rows, or too much jitter.",
        _VALIDATE_MORE,
    ),
    Cause.AGREE: Report(
        Kind.HEALTHY,
        "the training loss ends at {last_training:.4g} and the {judged} at "
        "{last_validation:.4g}, and neither has left the other behind.",
        "There is nothing to repair; a larger model may reach lower.",
    ),
}
