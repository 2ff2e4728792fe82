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
from typing import NamedTuple

import numpy as np

from funclearn._checks import leading_length, positive_number
from funclearn._types import Batch
from funclearn.diagnosis._causes import REPORTS, Cause, Kind
from funclearn.diagnosis._curves import (
    FLAT,
    Measures,
    Validation,
    has_risen,
    measure,
)
from funclearn.diagnosis._runs import (
    ends_finite,
    first_not_finite,
    loss_curves,
    was_stopped,
)
from funclearn.training import Run

__all__ = ["Verdict", "diagnose"]

# A floor is read off tenths of a run, and a tenth needs an epoch.
_FEWEST_EPOCHS = 10
# Of the last loss; a few per cent decide nothing.
_STILL_TO_FALL = 0.05
# Of the last validation loss: more than the few per cent that decide nothing.
_PARTED = 0.1
# Of the baseline: a model is better than a constant only by more than a few per cent.
_LIKE_A_CONSTANT = 0.9


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

    kind: Kind
    cause: Cause
    because: str
    advice: str
    epoch: int | None
    numbers: Mapping[str, float]

    def __str__(self) -> str:
        """The verdict, why, and what to try."""
        return f"{self.kind.capitalize()}: {self.because} {self.advice}"


def diagnose(
    run: Run, validation: Batch | None = None, *, baseline: float | None = None
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

    Example:
        >>> losses = jnp.array([8.0, 4.0, 2.0, 1.0, float("nan")])
        >>> def train_step(state, batch):
        ...     info = fl.StepInfo(losses[state.step], state.params)
        ...     return state._replace(step=state.step + 1), info
        >>> state = fl.init_state(jax.random.key(0), 0.0, optax.sgd(0.1))
        >>> run = fl.fit(train_step, state, jnp.zeros(1), epochs=5)
        >>> found = fl.diagnosis.diagnose(run)
        >>> print(found.kind, found.epoch)
        diverged 5
    """
    curves = loss_curves(run)
    if baseline is not None:
        baseline = positive_number("baseline", baseline)
    rows = math.inf
    if validation is not None:
        rows = float(leading_length("validation", validation))
    cause, numbers, epoch = _look(run, curves, rows, baseline)
    kind, because, advice = REPORTS[cause]
    return Verdict(
        kind=kind,
        cause=cause,
        because=because.format(epoch=epoch, **numbers),
        advice=advice,
        epoch=epoch,
        numbers=numbers,
    )


class _Finding(NamedTuple):
    """A cause, the numbers that decided it, and the epoch that belongs to it."""

    cause: Cause
    numbers: dict[str, float]
    epoch: int | None = None


def _look(
    run: Run, curves: list[np.ndarray], rows: float, baseline: float | None
) -> _Finding:
    training, stopped = curves[0], was_stopped(run)
    bad_epochs = [first_not_finite(curve) for curve in curves]
    if bad_epochs[0]:
        epochs = {"epochs": float(len(training))}
        return _Finding(Cause.NOT_FINITE, epochs, bad_epochs[0])
    finite = [c for c, bad in zip(curves, bad_epochs, strict=True) if not bad]
    rises = has_risen(training, stopped=stopped)
    measures = measure(*finite, rows=rows)
    if rises and stopped:
        # The rule judged by this epoch alone, so the verdict shows the same.
        last = measures.training._replace(last_training=float(training[-1]))
        measures = measures._replace(training=last)
    if baseline is not None:
        share = measures.training.last_training / baseline
        measures = measures._replace(share_of_baseline=share)
    numbers = measures.by_name()
    if rises:
        return _Finding(Cause.RISING, numbers)
    if not ends_finite(run):
        return _Finding(Cause.PARAMETERS_NOT_FINITE, numbers)
    if bad_epochs[-1]:
        return _Finding(Cause.VALIDATION_NOT_FINITE, numbers, bad_epochs[-1])
    cause, judged = _cause(measures), measures.validation
    if judged is not None and cause in (Cause.PART, Cause.MAY_PART):
        return _Finding(cause, numbers, int(judged.validation_falls_until))
    return _Finding(cause, numbers)


def _cause(measures: Measures) -> Cause:
    training, judged, share = measures
    first, last = training.first_training, training.last_training
    lowest, jitter = training.lowest_training, training.jitter
    falls = last - training.floor > _STILL_TO_FALL * last
    if training.epochs < _FEWEST_EPOCHS:
        return Cause.TOO_SHORT
    if share is not None and share > _LIKE_A_CONSTANT and not falls:
        return Cause.LIKE_A_CONSTANT
    if last - lowest > max(lowest, 3 * jitter) or jitter > max(last, FLAT * first):
        return Cause.UNSTABLE
    if abs(last - first) <= max(FLAT * first, 3 * jitter) and not falls:
        return Cause.FLAT
    if judged is None:
        return Cause.STILL_LEARNING if falls else Cause.NO_VALIDATION
    return _cause_beside(judged, falls=falls)


def _cause_beside(judged: Validation, *, falls: bool) -> Cause:
    """The cause where there is a validation curve, and the training loss is sound."""
    if judged.parting > _PARTED:
        return Cause.PART if judged.parting > judged.by_chance else Cause.MAY_PART
    last = judged.last_validation
    if falls and last - judged.validation_floor > _STILL_TO_FALL * last:
        return Cause.STILL_LEARNING
    return Cause.UNCERTAIN_VALIDATION if judged.by_chance >= 1 else Cause.AGREE
