"""What the curves of a run say: too little learnt, too much, or enough.

The training loss must fall for anything to be learnt. From where it goes on falling
and the validation loss does not follow, the curves part: the model learns what holds
for the training rows alone. Chance parts them too, in two ways:

- a curve jitters, with minibatches for instance; by how much is measured from the
  distance of every loss to the line between its neighbours;
- a mean over n rows is uncertain: for squared normal errors its relative standard error
  is √(2/n), and for most other losses of that size.

Changes of less than three standard errors of the first kind or two of the second, or of
a few per cent, decide nothing.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from funclearn._checks import leading_length
from funclearn._curves import FLAT, measure
from funclearn._types import Batch

__all__ = ["Verdict", "diagnose"]

_FEWEST_EPOCHS = 10
_STILL_TO_FALL = 0.05  # of the last training loss
_PARTED = 0.1  # of the last validation loss
_LIKE_A_CONSTANT = 0.9  # of the baseline

_SLOW_DOWN = (
    "Lower the learning rate or scale the inputs; explain_divergence computes by how "
    "much."
)
_VALIDATE_MORE = (
    "Hold more rows out, or look at many splits (funclearn.validation.cross_validate)."
)

# Cause -> kind, why, what to try; in the order in which they are looked for.
_CAUSES = {
    "not finite": (
        "diverged",
        "a loss is not finite from epoch {epoch} on.",
        _SLOW_DOWN,
    ),
    "rising": (
        "diverged",
        "the training loss rose from {first_training:.4g} to {last_training:.4g}.",
        _SLOW_DOWN,
    ),
    "too short": (
        "cannot tell",
        "a run of {epochs:.0f} epochs is too short to show where it goes.",
        "Train for longer.",
    ),
    "no better than a constant": (
        "underfitting",
        "the training loss stays at {last_training:.4g}, {share_of_baseline:.0%} of "
        "what the best constant prediction has.",
        "Try a larger model; if that does no better, the inputs hold no information "
        "about the targets.",
    ),
    "flat": (
        "cannot tell",
        "the training loss goes from {first_training:.4g} to {last_training:.4g}, "
        "which is next to nothing, or no more than it jitters; it may have started at "
        "its floor, or have learnt nothing.",
        "Compare it with the best constant prediction (baseline), and try other "
        "learning rates.",
    ),
    "unstable": (
        "cannot tell",
        "the training loss has risen from {lowest_training:.4g} to "
        "{last_training:.4g} again.",
        "Lower the learning rate.",
    ),
    "curves part": (
        "overfitting",
        "from epoch {epoch} on the training loss falls to {last_training:.4g}, and "
        "the validation loss goes from {lowest_validation:.4g} to "
        "{last_validation:.4g}.",
        "Try more data, a simpler model, a penalty, or noise on the inputs; or stop at "
        "that epoch.",
    ),
    "curves may part": (
        "cannot tell",
        "from epoch {epoch} on the curves part by {parting:.0%} of the validation "
        "loss, and chance could part them by {by_chance:.0%}.",
        _VALIDATE_MORE,
    ),
    "still learning": (
        "underfitting",
        "the training loss is {last_training:.4g} and still falls, as far as to "
        "{floor:.4g} if it goes on as now.",
        "Train for longer, with a larger learning rate, or on scaled inputs.",
    ),
    "no validation": (
        "cannot tell",
        "the training loss has settled at {last_training:.4g}, but nothing shows how "
        "other rows fare.",
        "Hold rows out, and give them to fit.",
    ),
    "uncertain validation": (
        "cannot tell",
        "the curves fall together, but chance could part them by {by_chance:.0%} of "
        "the validation loss: too few rows, or too much jitter.",
        _VALIDATE_MORE,
    ),
    "curves agree": (
        "healthy",
        "the training loss ends at {last_training:.4g} and the validation loss at "
        "{last_validation:.4g}, and neither has left the other behind.",
        "There is nothing to repair; a larger model may reach lower.",
    ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a run suffers from.

    Attributes:
        kind: `"diverged"`, `"overfitting"`, `"underfitting"`, `"healthy"` or
            `"cannot tell"`.
        cause: what decided it, in a few words, such as `"still learning"`.
        because: the same in a sentence, with its numbers.
        advice: the next thing to try.
        epoch: counted from 1, the first whose loss is not finite, or that from which
            the curves part; else None.
        numbers: everything that was looked at, by name.
    """

    kind: str
    cause: str
    because: str
    advice: str
    epoch: int | None
    numbers: Mapping[str, float]

    def __str__(self) -> str:
        """The verdict, why, and what to try."""
        return f"{self.kind.capitalize()}: {self.because} {self.advice}"


def diagnose(
    run: Any, validation: Batch | None = None, *, baseline: float | None = None
) -> Verdict:
    """Judges one run by its curves.

    Args:
        run: from `fit`, with the default history. What `evaluate` returned is the
            validation loss, or a dictionary with the entry `"loss"`.
        validation: the rows that it was validated on, to know how far to trust their
            loss; without them they are taken as infinitely many.
        baseline: the loss of the best prediction that ignores the inputs: for the mean
            squared error the variance of the training targets. Without it, a loss that
            stays high looks like one at its floor.

    Returns:
        Whether it diverged, underfits, overfits or is healthy; or that its curves
        cannot tell, and why.

    Raises:
        ValueError: if it is a mapped run, no epoch ran, or a loss is negative.
    """
    curves = _curves(run)
    rows = math.inf
    if validation is not None:
        rows = float(leading_length("validation", validation))
    finite = np.logical_and.reduce([np.isfinite(curve) for curve in curves])
    if finite.all():
        numbers = measure(*curves, rows=rows)
        if baseline is not None:
            numbers["share_of_baseline"] = numbers["last_training"] / baseline
        cause = _cause(numbers)
        parts = cause in ("curves part", "curves may part")
        epoch = int(numbers["validation_falls_until"]) if parts else None
    else:
        numbers = {"epochs": float(len(finite))}
        cause, epoch = "not finite", int(np.argmin(finite)) + 1
    kind, because, advice = _CAUSES[cause]
    return Verdict(
        kind=kind,
        cause=cause,
        because=because.format(epoch=epoch, **numbers),
        advice=advice,
        epoch=epoch,
        numbers=numbers,
    )


def _curves(run: Any) -> list[np.ndarray]:
    """The training loss and, if there is one, the validation loss."""
    evaluation = run.history.evaluation
    judged = evaluation["loss"] if isinstance(evaluation, dict) else evaluation
    losses = [loss for loss in (run.history.loss, judged) if loss is not None]
    shapes = {np.shape(loss) for loss in losses}
    if len(shapes) != 1 or len(*shapes) != 1:
        raise ValueError(
            f"run must have one loss an epoch; got {', '.join(map(str, shapes))}. One "
            "lane of a mapped run is jax.tree.map(lambda leaf: leaf[lane], run)."
        )
    # A running median needs comparisons that do not round to single precision again.
    curves = [np.asarray(loss, np.float64)[: int(run.epochs)] for loss in losses]
    if not curves[0].size or any((curve < 0).any() for curve in curves):
        raise ValueError("run must have epochs, and losses that are not negative.")
    return curves


def _cause(numbers: Mapping[str, float]) -> str:
    first, last = numbers["first_training"], numbers["last_training"]
    jitter = 3 * numbers["jitter"]
    falls = last - numbers["floor"] > _STILL_TO_FALL * last
    if last - first > max(_PARTED * first, jitter):
        return "rising"
    if numbers["epochs"] < _FEWEST_EPOCHS:
        return "too short"
    if numbers.get("share_of_baseline", 0) > _LIKE_A_CONSTANT and not falls:
        return "no better than a constant"
    if first - last <= max(FLAT * first, jitter) and not falls:
        return "flat"
    if last - numbers["lowest_training"] > max(numbers["lowest_training"], jitter):
        return "unstable"
    if "parting" not in numbers:
        return "still learning" if falls else "no validation"
    if numbers["parting"] > _PARTED:
        certain = numbers["parting"] > numbers["by_chance"]
        return "curves part" if certain else "curves may part"
    judged = numbers["last_validation"]
    if falls and judged - numbers["validation_floor"] > _STILL_TO_FALL * judged:
        return "still learning"
    return "uncertain validation" if numbers["by_chance"] >= 1 else "curves agree"
