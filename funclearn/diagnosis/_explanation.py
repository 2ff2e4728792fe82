"""When, from where and why a run diverged.

A run is a pure function, so nothing has to be recorded beforehand: the steps up to the
last good epoch are made once more, and give the same bits; and every suspicion is put
to the test by making the run again without what is suspected.
"""

import optax

from funclearn._checks import positive_number
from funclearn._types import Batch, Objective
from funclearn.diagnosis._course import course_of, state_before
from funclearn.diagnosis._curvature import check_momentum
from funclearn.diagnosis._divergence import Divergence
from funclearn.diagnosis._floating import only_floating
from funclearn.diagnosis._inquiry import Case, Evidence, evidence_of
from funclearn.diagnosis._reruns import Rerun
from funclearn.training import Run, TrainState, TrainStep

__all__ = ["explain_divergence"]

_OF_A_SCHEDULE = " Of a schedule give the rate at which the run went wrong."


def explain_divergence(
    run: Run,
    objective: Objective,
    train_step: TrainStep,
    state: TrainState,
    train: Batch,
    *,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    batch_size: int | None = None,
) -> Divergence | None:
    """Finds out when, from where and why a run diverged.

    The step's gradient is compared with differences of the objective, and the run is
    made again without what is suspected: with its steps turned round, without decay,
    with its schedule held, with all rows in a step, in single precision, with smaller
    learning rates. A cause is named if that helps, and a rate is suggested if the run
    learns with it; so this takes as long as up to some twenty runs.

    Another learning rate is tried by scaling the updates. That is what it means for
    every optimizer whose output is proportional to its rate while its state does not
    know of it: not for line searches and those that find a rate of their own.

    Args:
        run: from `fit(train_step, state, train, batch_size=batch_size, ...)`, with a
            stopping rule or without, and with the default history.
        objective: what `train_step` minimises.
        train_step: as given to `fit`.
        state: as given to `fit`.
        train: as given to `fit`.
        learning_rate: what `train_step` was made with, of whatever optimizer.
        momentum: of gradient descent, for the largest stable rate.
        nesterov: whether the momentum is Nesterov's.
        batch_size: as given to `fit`.

    Returns:
        None if all losses and the final parameters are finite, and the loss does not
        rise in the end by more than a tenth of its start, its jitter and rounding.

    Raises:
        TypeError: if the history is not the default one, or the learning rate or the
            momentum no number.
        ValueError: if it is a mapped run, no epoch ran, a number is out of its range,
            or the same arguments do not make the same losses again.
    """
    learning_rate = positive_number("learning_rate", learning_rate, _OF_A_SCHEDULE)
    check_momentum(momentum)
    course = course_of(run)
    if not course.diverged:
        return None

    def before(epoch: int) -> TrainState:
        return state_before(epoch, course, train_step, state, train, batch_size)

    good = before(course.good)
    floating = only_floating(_of_the_fast(objective, state), train_step, state)
    case = Case(
        course,
        floating.of(good),
        Rerun(
            floating.objective,
            floating.train_step,
            floating.of(state),
            train,
            course.rerun_epochs,
            batch_size,
        ),
        learning_rate,
        momentum,
        nesterov,
        state_before=lambda epoch: floating.of(before(epoch)),
    )
    return _divergence(case, good, evidence_of(case))


def _of_the_fast(objective: Objective, state: TrainState) -> Objective:
    """The objective of the parameters of `optax.lookahead` that are trained."""
    if not isinstance(state.params, optax.LookaheadParams):
        return objective
    return lambda params, batch, key: objective(params.fast, batch, key)


def _divergence(case: Case, good: TrainState, evidence: Evidence) -> Divergence:
    course, limits = case.course, evidence.limits
    scale = evidence.finding.scale
    return Divergence(
        cause=evidence.finding.cause,
        last_good_epoch=course.good,
        last_good_loss=float(course.losses[max(course.good - 1, 0)]),
        last_good_params=good.params,
        first_bad_epoch=course.good + 1,
        not_finite_epoch=course.not_finite_epoch,
        learning_rate=case.learning_rate,
        stability=limits.stability,
        limit=limits.limit,
        scaled_limit=limits.scaled_limit,
        tested=None if scale is None else scale * case.learning_rate,
        detail=evidence.detail,
    )
