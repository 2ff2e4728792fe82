"""The order in which a divergence is looked into, and what is said of it.

What is not finite by itself comes first, then what a measurement shows, then what an
experiment convicts; the learning rate is blamed last, for it helps against most.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from funclearn.diagnosis._course import Course
from funclearn.diagnosis._divergence import DivergenceCause
from funclearn.diagnosis._limits import Limits, limits_at, scaled_inputs
from funclearn.diagnosis._operations import (
    fatal_operation,
    not_finite,
)
from funclearn.diagnosis._precision import half_precision, in_single_precision
from funclearn.diagnosis._probes import Probes, probe
from funclearn.diagnosis._reruns import Change, Rerun
from funclearn.diagnosis._suspects import (
    Finding,
    by_experiment,
    scale_that_learns,
    without_bound,
)
from funclearn.training import TrainState

__all__ = ["Case", "Evidence", "evidence_of"]

_STEPS_OF = {
    "sign": "its steps are as large as the rate, whatever the gradient",
    "norm": "its steps have one length, whatever the gradient; where that is a clip "
    "after the rate, clip to less in the same proportion",
}


_ANOTHER_MOMENTUM = (
    "it is below the largest stable one for the momentum that was given, {:.3g}, so "
    "the steps are longer than these two say"
)


class Case(NamedTuple):
    """A run that diverged.

    Attributes:
        course: how it went.
        good: the state before the epoch in which it was best.
        rerun: how to make it again.
        learning_rate: what it was made with, like the next two.
        momentum: of gradient descent.
        nesterov: whether it is Nesterov's.
        state_before: the state before an epoch's first update.
    """

    course: Course
    good: TrainState
    rerun: Rerun
    learning_rate: float
    momentum: float
    nesterov: bool
    state_before: Callable[[int], TrainState]


class Evidence(NamedTuple):
    """What was found out.

    Attributes:
        finding: the cause, and what helps.
        limits: the largest stable learning rates at the last good parameters.
        detail: what was measured, as the end of a sentence.
    """

    finding: Finding
    limits: Limits
    detail: str = ""


def evidence_of(case: Case) -> Evidence:
    """Looks into a divergence."""
    dtype = half_precision((case.rerun.state.params, case.rerun.train))
    return _evidence(case) if dtype is None else _of_half_precision(case, dtype)


def _of_half_precision(case: Case, dtype: str) -> Evidence:
    """The same in single precision, and whether it holds in the other one."""
    rerun, good = case.rerun, in_single_precision(case.good)
    state, train = in_single_precision((rerun.state, rerun.train))
    single = rerun._replace(state=state, train=train)
    found = _evidence(case._replace(rerun=single, good=good))
    if found.finding.cause is DivergenceCause.DATA:
        return found
    part = 1.0 if single.succeeds() else found.finding.scale
    if part != 1 and part is not None and rerun.succeeds(Change(scale=part)):
        return found
    learns = ""
    if part is not None:
        rate = "" if part == 1 else f" at a rate of {part * case.learning_rate:.2g}"
        learns = f" in {dtype} it does not learn; in single precision it does{rate}"
    blamed = Finding(DivergenceCause.PRECISION, scale_that_learns(rerun, None), part)
    return Evidence(blamed, found.limits, learns.strip())


def _evidence(case: Case) -> Evidence:
    rerun = case.rerun
    limits = limits_at(
        rerun.objective,
        case.good,
        rerun.train,
        case.momentum,
        nesterov=case.nesterov,
    )
    found = not_finite(rerun, case.good)
    if found is not None:
        return Evidence(Finding(found[0]), limits, found[1])
    if not limits.limit > 0:
        return Evidence(Finding(DivergenceCause.CURVATURE), limits)
    probes = probe(rerun.objective, rerun.train_step, rerun.state, rerun.first_batch())
    if not probes.is_wrong and _is_unbounded(case):
        return Evidence(Finding(DivergenceCause.UNBOUNDED), limits)
    law = probes.law
    if law is None or law.kind != "gradient":
        limits = limits.nowhere()
    elif law.decay > 0 and law.rate > 0:
        limits = limits.decaying(law.decay / law.rate)
    first = limits.limit / case.learning_rate / 2
    finding = by_experiment(rerun, probes, first if first < 1 else None)
    return _named(case, finding, probes, limits)


def _is_unbounded(case: Case) -> bool:
    """Whether the loss fell to the end, and goes on falling along the way it took."""
    course, start = case.course, case.rerun.state
    if course.good != course.finite or course.losses[course.good - 1] >= 0:
        return False
    return without_bound(case.rerun.objective, start, case.good, case.rerun.train)


def _named(case: Case, finding: Finding, probes: Probes, limits: Limits) -> Evidence:
    """What to call a cause, and what was measured of it."""
    rate, cause = case.learning_rate, finding.cause
    part = finding.repaired
    learns = "" if part is None else "then the run learns"
    if part is not None and part != 1:
        learns += f" at a rate of {part * rate:.2g}"
    if cause is DivergenceCause.SIGN:
        slope = f"the loss has {probes.slope:.3g} times the slope that it says"
        detail = f"{slope}; turn it round{learns and ', ' + learns}"
    elif cause is DivergenceCause.WRONG_GRADIENT:
        detail = _how_wrong(probes)
        detail += "; the run learns with the right one" if part is not None else ""
    elif cause is DivergenceCause.UPHILL:
        turned, arrays = probes.turned.count(-1), len(probes.turned)
        detail = f"turn them round, {learns}"
        if not probes.is_uphill and turned < arrays:
            # What a mask of optax leaves out has its gradient for an update.
            detail = f"in {turned} of {arrays} arrays of parameters; {detail}"
    elif cause is DivergenceCause.DECAY:
        decay = probes.law.decay if probes.law is not None else math.nan
        verb = "takes" if decay > 0 else "has the wrong sign and adds"
        detail = f"it {verb} {abs(decay):.3g} times the parameters in a step"
        detail += "; without that the run learns"
        scale = finding.scale
        if scale is not None:
            alone = Change(scale=scale, restored=(scale - 1) * decay)
            if not case.rerun.succeeds(alone):
                detail += ", or at a lower rate if the decay is multiplied by it"
    elif cause in (DivergenceCause.LEARNING_RATE, DivergenceCause.CANNOT_TELL):
        return _of_the_rate(case, finding, probes, limits)
    else:
        detail = ""
    return Evidence(finding, limits._replace(scaled_limit=None), detail)


def _how_wrong(probes: Probes) -> str:
    if probes.differs > 0:
        return f"it is off that of autodiff by {probes.differs:.3g} times its length"
    return f"the loss has {probes.slope:.3g} times the slope that it says"


def _of_the_rate(
    case: Case, finding: Finding, probes: Probes, limits: Limits
) -> Evidence:
    """Whether the rate is too large, and by which measure."""
    limits = _with_tested_scaling(case, limits, finding.scale)
    epoch, operation = case.course.not_finite_epoch, None
    if epoch is not None and epoch <= len(case.course.losses):
        operation = fatal_operation(case.rerun, case.state_before(epoch))
    kind = "unknown" if probes.law is None else probes.law.kind
    stable = kind == "gradient" and not case.learning_rate > limits.limit
    sudden = stable and epoch == case.course.good + 1
    if operation is not None and (operation.tells or sudden):
        cause = DivergenceCause.OVERFLOW
        if not operation.overflows:
            cause = DivergenceCause.DOMAIN
        return Evidence(finding._replace(cause=cause), limits, str(operation))
    if stable and finding.cause is DivergenceCause.LEARNING_RATE:
        if _bends_more_at_the_end(case):
            return Evidence(finding._replace(cause=DivergenceCause.ELSEWHERE), limits)
        return Evidence(finding, limits, _ANOTHER_MOMENTUM.format(limits.limit))
    return Evidence(finding, limits, _STEPS_OF.get(kind, ""))


def _bends_more_at_the_end(case: Case) -> bool:
    """Whether the rate is beyond the limit where the last finite loss was."""
    objective, _, _, train, _, _ = case.rerun
    end = case.state_before(case.course.finite)
    if half_precision(case.good) is None:
        end = in_single_precision(end)
    found = limits_at(objective, end, train, case.momentum, nesterov=case.nesterov)
    return not case.learning_rate <= found.limit


def _with_tested_scaling(case: Case, limits: Limits, scale: float | None) -> Limits:
    """The limit with scaled inputs, if the run learns with half of it."""
    rerun = case.rerun
    scaled = scaled_inputs(rerun.train, limits.stability)
    limit = limits.scaled_limit
    if scale is None or scaled is None or limit is None or not limit > limits.limit:
        return limits._replace(scaled_limit=None)
    part = limit / 2 / case.learning_rate
    if rerun._replace(train=scaled).succeeds(Change(scale=part)):
        return limits
    return limits._replace(scaled_limit=None)
