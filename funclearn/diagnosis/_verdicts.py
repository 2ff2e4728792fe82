"""What the curves of a run say: too little learnt, too much, or enough.

The training loss must fall for anything to be learnt. Where the validation loss does
not follow it, by its course or by its level, the model learns what holds for the
training rows alone. Chance parts the curves too, in two ways:

- a curve jitters, with minibatches for instance; by how much is measured from the
  distance of every loss to a smooth course;
- a mean over n rows is uncertain: for squared normal errors its relative standard error
  is √(2/n), and for most other losses of that size.

Changes of less than six standard errors of the first kind or two of the second, or of
a few per cent, decide nothing.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from funclearn._checks import is_static_number, positive_number
from funclearn._types import Batch
from funclearn._words import printed
from funclearn.data import row_count
from funclearn.diagnosis._causes import REPORTS, Cause, Kind, as_html, as_text
from funclearn.diagnosis._curves import Measures, measure
from funclearn.diagnosis._judgement import judge
from funclearn.diagnosis._rises import has_risen
from funclearn.diagnosis._runs import (
    Curves,
    curves_of,
    ends_finite,
    first_not_finite,
    was_stopped,
)
from funclearn.training import Run

__all__ = ["Verdict", "diagnose"]

# In the unit and the direction of what was judged.
_VALUES = (
    "first_validation",
    "lowest_validation",
    "last_validation",
    "validation_floor",
)


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

    def __rich__(self) -> object:
        """The same for `rich.print`."""
        return as_text(self.kind.capitalize(), f"{self.because} {self.advice}")

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return as_html(self.kind.capitalize(), f"{self.because} {self.advice}")

    _repr_pretty_ = printed


def diagnose(
    run: Run,
    validation: Batch | None = None,
    *,
    baseline: float | None = None,
    on: str | None = None,
    direction: str = "min",
) -> Verdict:
    """Judges one run by its curves.

    Neither the unit of a loss decides nor, where a loss is negative, an offset.

    Args:
        run: from `fit`, with the default history.
        validation: the rows that it was validated on, to know how far to trust their
            loss; without them they are taken as infinitely many.
        baseline: the loss of the best prediction that ignores the inputs: for the mean
            squared error the variance of the training targets. Without it, a loss that
            stays high looks like one at its floor.
        on: what is judged beside the training loss: `"validation"`, the loss that
            `evaluate` returned, alone or as the entry `"loss"` of a dictionary;
            `"evaluation.NAME"`, or plainly `NAME`, another entry; `"loss"`, nothing.
            None: the validation loss where there is one. A metric may have another
            unit than the training loss, so only its course counts, not its level.
        direction: `"min"` if less of that is better, `"max"` if more is, as of an
            accuracy.

    Returns:
        Whether it diverged, underfits, overfits or is healthy; or that its curves
        cannot tell, and why: so where the validation loss alone is not finite, or
        where it only rises and may be an accuracy.

    Raises:
        TypeError: if its history is not the default one, or `baseline` no number.
        ValueError: if it is a mapped run, no epoch ran, there is no such metric or
            direction, or `baseline` is not positive where no loss is negative.

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
    curves = curves_of(run, on, direction)
    if baseline is not None and not _is_negative(baseline, curves.training):
        baseline = positive_number("baseline", baseline)
    rows = math.inf
    if validation is not None:
        rows = float(row_count("validation", validation))
    cause, numbers, epoch = _look(run, curves, rows, baseline)
    kind, because, advice = REPORTS[cause]
    return Verdict(
        kind=kind,
        cause=cause,
        because=because.format(epoch=epoch, judged=curves.name, **numbers),
        advice=advice,
        epoch=epoch,
        numbers=numbers,
    )


def _is_negative(baseline: object, losses: np.ndarray) -> bool:
    """Whether a baseline is a negative number, as it may be where a loss is one."""
    if not np.any(losses < 0) or not is_static_number(baseline):
        return False
    return -math.inf < baseline < 0


class _Finding(NamedTuple):
    """A cause, the numbers that decided it, and the epoch that belongs to it."""

    cause: Cause
    numbers: dict[str, float]
    epoch: int | None = None


def _look(run: Run, curves: Curves, rows: float, baseline: float | None) -> _Finding:
    training, judged, stopped = curves.training, curves.judged, was_stopped(run)
    bad = first_not_finite(training)
    if bad is not None:
        return _Finding(Cause.NOT_FINITE, {"epochs": float(len(training))}, bad)
    rises = has_risen(training, stopped=stopped)
    bad = None if judged is None else first_not_finite(judged)
    measures = measure(
        training,
        judged if bad is None else None,
        rows=rows,
        comparable=curves.comparable,
    )
    if rises:
        # Whoever judged by these epochs alone shall read the same.
        last = max(float(training[-2:].max()), measures.training.last_training)
        shown = measures.training._replace(last_training=last)
        measures = measures._replace(training=shown)
    numbers = _numbers(curves, measures, baseline)
    if rises:
        return _Finding(Cause.RISING, numbers)
    if not ends_finite(run):
        return _Finding(Cause.PARAMETERS_NOT_FINITE, numbers)
    if bad is not None:
        return _Finding(Cause.VALIDATION_NOT_FINITE, numbers, bad)
    cause = judge(curves, measures, baseline)
    if measures.validation is not None and cause in (Cause.PART, Cause.MAY_PART):
        return _Finding(cause, numbers, int(measures.validation.validation_falls_until))
    return _Finding(cause, numbers)


def _numbers(
    curves: Curves, measures: Measures, baseline: float | None
) -> dict[str, float]:
    numbers = measures.by_name()
    for name in _VALUES:
        if name in numbers:
            numbers[name] = curves.original(numbers[name])
    if baseline is not None:
        share = measures.training.last_training / baseline
        numbers |= {"baseline": baseline, "share_of_baseline": share}
    return numbers
