"""The order in which a divergence is looked into, and what is said of it.

What is not finite by itself comes first, then what a measurement shows, then what an
experiment convicts; the learning rate is blamed last, for it helps against most.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
from jaxtyping import PyTree

from funclearn._types import Batch
from funclearn.diagnosis._course import Course, state_before
from funclearn.diagnosis._divergence import DivergenceCause
from funclearn.diagnosis._limits import Limits, limits_at, scaled_inputs
from funclearn.diagnosis._operations import (
    Operation,
    first_not_finite_operation,
)
from funclearn.diagnosis._precision import half_precision, in_single_precision
from funclearn.diagnosis._probes import Probes, probe
from funclearn.diagnosis._reruns import Change, Rerun
from funclearn.diagnosis._runs import all_finite
from funclearn.diagnosis._suspects import (
    Finding,
    by_experiment,
    tested_scale,
    without_bound,
)
from funclearn.training import TrainState

__all__ = ["Case", "Evidence", "evidence_of"]

_STEPS_OF = {
    "sign": "its steps are as large as the rate, whatever the gradient",
    "norm": "its steps have one length, whatever the gradient",
    None: "its steps are not proportional to the gradient",
}


class Case(NamedTuple):
    """A run that diverged.

    Attributes:
        course: how it went.
        good: the state before the epoch in which it was best.
        rerun: how to make it again.
        learning_rate: what it was made with, like the next two.
        momentum: of gradient descent.
        nesterov: whether it is Nesterov's.
    """

    course: Course
    good: TrainState
    rerun: Rerun
    learning_rate: float
    momentum: float
    nesterov: bool

    def state_before(self, epoch: int) -> TrainState:
        """The state before an epoch's first update."""
        _, step, start, train, _, batch_size = self.rerun
        return state_before(epoch, self.course, step, start, train, batch_size)


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
    blamed = Finding(DivergenceCause.PRECISION, tested_scale(rerun, None), part)
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
    found = _not_finite(case)
    if found is not None:
        return Evidence(Finding(found[0]), limits, found[1])
    if not limits.limit > 0:
        return Evidence(Finding(DivergenceCause.CURVATURE), limits)
    probes = probe(rerun.objective, rerun.train_step, rerun.state, rerun.train)
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


def _not_finite(case: Case) -> tuple[DivergenceCause, str] | None:
    """What is not finite without any step."""
    objective, _, start, train, _, _ = case.rerun
    if not all_finite(train):
        return DivergenceCause.DATA, ""
    if not all_finite(objective(start.params, train, start.key)):
        return DivergenceCause.START, _operation(objective, start, train)
    slope = jax.grad(objective)
    if not all_finite(slope(case.good.params, train, case.good.key)):
        return DivergenceCause.GRADIENT, _operation(slope, case.good, train)
    return None


def _operation(function: Callable[..., PyTree], state: TrainState, train: Batch) -> str:
    found = first_not_finite_operation(function, state.params, train, state.key)
    return "" if found is None else str(found)


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
        detail = f"turn them round, {learns}"
    elif cause is DivergenceCause.DECAY:
        decay = probes.law.decay if probes.law is not None else math.nan
        detail = f"by {decay:.3g} of themselves in a step; without that the run learns"
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
    operation = _fatal_operation(case)
    if operation is not None:
        cause = DivergenceCause.OVERFLOW
        if not operation.overflows:
            cause = DivergenceCause.DOMAIN
        return Evidence(finding._replace(cause=cause), limits, str(operation))
    if finding.cause is DivergenceCause.CANNOT_TELL:
        return Evidence(finding, limits)
    kind = None if probes.law is None else probes.law.kind
    if kind in _STEPS_OF:
        return Evidence(finding, limits, _STEPS_OF[kind])
    if case.learning_rate > limits.limit:
        return Evidence(finding, limits)
    elsewhere = finding._replace(cause=DivergenceCause.ELSEWHERE)
    return Evidence(elsewhere, limits)


def _fatal_operation(case: Case) -> Operation | None:
    """What made the first loss that is not finite, where it says something."""
    epoch = case.course.not_finite_epoch
    if epoch is None or epoch > len(case.course.losses):
        return None
    bad, (objective, _, _, train, _, _) = case.state_before(epoch), case.rerun
    if not all_finite(bad.params):
        return None
    bad = in_single_precision(bad)
    found = first_not_finite_operation(objective, bad.params, train, bad.key)
    return found if found is not None and found.tells else None


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
