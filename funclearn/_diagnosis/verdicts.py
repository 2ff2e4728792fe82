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

from funclearn._checks import leading_length, positive_number
from funclearn._diagnosis.curves import (
    FLAT,
    HORIZON,
    all_finite,
    default_history,
    has_risen,
    measure,
    was_stopped,
)
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
        "the training loss is not finite at epoch {epoch}.",
        _SLOW_DOWN,
    ),
    "rising": (
        "diverged",
        "the training loss rose from {first_training:.4g} to {last_training:.4g}.",
        _SLOW_DOWN,
    ),
    "parameters not finite": (
        "diverged",
        "the last update left parameters that are not finite.",
        _SLOW_DOWN,
    ),
    "validation not finite": (
        "cannot tell",
        "the validation loss is not finite at epoch {epoch}, and the training loss "
        "always is.",
        "Look at the validation data for values that are not finite, and at the metric "
        "for logarithms and divisions at zero.",
    ),
    "too short": (
        "cannot tell",
        "the number of epochs, {epochs:.0f}, is too small to show where it goes.",
        "Train for longer.",
    ),
    "no better than a constant": (
        "underfitting",
        "the training loss stays at {last_training:.4g}, {share_of_baseline:.0%} of "
        "what the best constant prediction has.",
        "Try a larger model; if that does no better, the inputs hold no information "
        "about the targets.",
    ),
    "unstable": (
        "cannot tell",
        "the training loss was as low as {lowest_training:.4g}, ends at "
        "{last_training:.4g} and jitters by {jitter:.2g}.",
        "Lower the learning rate.",
    ),
    "flat": (
        "cannot tell",
        "the training loss goes from {first_training:.4g} to {last_training:.4g}, "
        "which is next to nothing, or no more than it jitters; it may have started at "
        "its floor, or have learnt nothing.",
        "Compare it with the best constant prediction (baseline), and try other "
        "learning rates.",
    ),
    "curves part": (
        "overfitting",
        "from epoch {epoch} on the training loss goes to {last_training:.4g}, and "
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
        f"{{floor:.4g}} if it goes on as now for {HORIZON} times as long.",
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
        cannot tell, and why: so where the validation loss alone is not finite.

    Raises:
        TypeError: if its history is not the default one, or `baseline` no number.
        ValueError: if it is a mapped run, no epoch ran, a loss is negative, the metrics
            hold no `"loss"`, or `baseline` is not positive.
    """
    curves = _curves(run)
    if baseline is not None:
        baseline = positive_number("baseline", baseline)
    rows = math.inf
    if validation is not None:
        rows = float(leading_length("validation", validation))
    cause, epoch, numbers = _look(run, curves, rows, baseline)
    kind, because, advice = _CAUSES[cause]
    return Verdict(
        kind=kind,
        cause=cause,
        because=because.format(epoch=epoch, **numbers),
        advice=advice,
        epoch=epoch,
        numbers=numbers,
    )


def _look(
    run: Any, curves: list[np.ndarray], rows: float, baseline: float | None
) -> tuple[str, int | None, dict[str, float]]:
    """The cause, the epoch that belongs to it, and the numbers that decided it."""
    training, stopped = curves[0], was_stopped(run)
    bad_epochs = [_first_not_finite(curve) for curve in curves]
    if bad_epochs[0]:
        return "not finite", bad_epochs[0], {"epochs": float(len(training))}
    finite = [c for c, bad in zip(curves, bad_epochs, strict=True) if not bad]
    rises = has_risen(training, stopped=stopped)
    numbers = measure(*finite, rows=rows)
    if rises and stopped:
        numbers["last_training"] = float(training[-1])
    if baseline is not None:
        numbers["share_of_baseline"] = numbers["last_training"] / baseline
    if rises:
        return "rising", None, numbers
    if not all_finite(getattr(run.state, "params", ())):
        return "parameters not finite", None, numbers
    if bad_epochs[-1]:
        return "validation not finite", bad_epochs[-1], numbers
    cause = _cause(numbers)
    parts = cause in ("curves part", "curves may part")
    return cause, int(numbers["validation_falls_until"]) if parts else None, numbers


def _first_not_finite(curve: np.ndarray) -> int | None:
    finite = np.isfinite(curve)
    return None if finite.all() else int(np.argmin(finite)) + 1


def _curves(run: Any) -> list[np.ndarray]:
    """The training loss and, if there is one, the validation loss."""
    history = default_history(run)
    judged = history.evaluation
    if isinstance(judged, dict):
        if "loss" not in judged:
            raise ValueError(
                "run.history.evaluation must have the entry 'loss'; got "
                f"{', '.join(map(repr, judged)) or 'none'}."
            )
        judged = judged["loss"]
    losses = [loss for loss in (history.loss, judged) if loss is not None]
    shapes = {np.shape(loss) for loss in losses}
    if len(shapes) != 1 or len(*shapes) != 1:
        raise ValueError(
            f"run must have one loss an epoch; got {', '.join(map(str, shapes))}. One "
            "lane of a mapped run is jax.tree.map(lambda leaf: leaf[lane], run)."
        )
    # A running median needs comparisons that do not round to single precision again.
    curves = [np.asarray(loss, np.float64)[: int(run.epochs)] for loss in losses]
    if not curves[0].size:
        raise ValueError(f"run must have epochs; got {run.epochs}.")
    lowest = min(np.nanmin(np.r_[curve, np.inf]) for curve in curves)
    if lowest < 0:
        raise ValueError(f"run must have losses that are not negative; got {lowest:g}.")
    return curves


def _cause(numbers: Mapping[str, float]) -> str:
    first, last = numbers["first_training"], numbers["last_training"]
    lowest, jitter = numbers["lowest_training"], numbers["jitter"]
    falls = last - numbers["floor"] > _STILL_TO_FALL * last
    if numbers["epochs"] < _FEWEST_EPOCHS:
        return "too short"
    if numbers.get("share_of_baseline", 0) > _LIKE_A_CONSTANT and not falls:
        return "no better than a constant"
    if last - lowest > max(lowest, 3 * jitter) or jitter > max(last, FLAT * first):
        return "unstable"
    if abs(last - first) <= max(FLAT * first, 3 * jitter) and not falls:
        return "flat"
    if "parting" not in numbers:
        return "still learning" if falls else "no validation"
    if numbers["parting"] > _PARTED:
        certain = numbers["parting"] > numbers["by_chance"]
        return "curves part" if certain else "curves may part"
    judged = numbers["last_validation"]
    if falls and judged - numbers["validation_floor"] > _STILL_TO_FALL * judged:
        return "still learning"
    return "uncertain validation" if numbers["by_chance"] >= 1 else "curves agree"
