"""Each cause of a divergence, and the experiment that convicts it.

A suspicion alone is worth nothing: what follows a sign error, a decay or a rising
schedule looks like a rate that is too large. So every suspect is told by a measurement
at the start, and convicted by making the run again without it. Where no rerun learns,
the answer is that it cannot be told.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._types import Batch, Objective
from funclearn.diagnosis._divergence import DivergenceCause
from funclearn.diagnosis._probes import Probes
from funclearn.diagnosis._reruns import Change, Rerun, counts
from funclearn.training import TrainState

__all__ = ["Finding", "by_experiment", "scale_that_learns", "without_bound"]

# Parts of the learning rate. Every one costs a run, and no one looks for less.
_SCALES = (0.5, 0.25, 0.1, 0.03, 0.01, 1e-3, 1e-4, 1e-5, 1e-6)
# Times the way that a run took: who still falls there falls for ever.
_REACH = np.geomspace(1e-2, 1e6, 25)


class Finding(NamedTuple):
    """A cause, and what helped in a rerun.

    Attributes:
        cause: what was convicted.
        scale: the part of the learning rate with which the run learns, made again with
            nothing else changed; None if none was found.
        repaired: the part with which it learns once the fault is repaired; None if
            none was found.
    """

    cause: DivergenceCause
    scale: float | None = None
    repaired: float | None = None


def by_experiment(rerun: Rerun, probes: Probes, first: float | None) -> Finding:
    """The cause that a rerun without it convicts.

    Args:
        rerun: of the run that diverged.
        probes: measured at its start.
        first: the part of the learning rate to try first; None for no idea.
    """
    if probes.backwards or (probes.is_uphill and not probes.is_wrong):
        turned = scale_that_learns(rerun, first, sign=-1)
        if probes.backwards:
            return Finding(DivergenceCause.SIGN, None, turned)
        if turned is not None:
            return Finding(DivergenceCause.UPHILL, None, turned)
    if {1, -1} == set(probes.turned) and not probes.is_wrong:
        turned = scale_that_learns(rerun, first, sign=probes.turned)
        if turned is not None:
            return Finding(DivergenceCause.UPHILL, None, turned)
    for cause, change in _repairs(rerun, probes):
        if change.succeeds() if isinstance(change, Rerun) else rerun.succeeds(change):
            return Finding(cause, scale_that_learns(rerun, first), 1.0)
    scale = scale_that_learns(rerun, first)
    if scale is None:
        # These were measured, though no rerun learns.
        if probes.is_wrong:
            return Finding(DivergenceCause.WRONG_GRADIENT)
        if not probes.overflows:
            return Finding(DivergenceCause.CANNOT_TELL)
    return Finding(DivergenceCause.LEARNING_RATE, scale)


def _repairs(
    rerun: Rerun, probes: Probes
) -> Iterator[tuple[DivergenceCause, Change | Rerun]]:
    """Suspects, and the run without them."""
    law = probes.law
    if probes.is_wrong:
        if law is not None and law.rate > 0:
            right = rerun.with_autodiff(law.kind, law.rate)
            yield DivergenceCause.WRONG_GRADIENT, right
        return
    if law is not None and law.decay:
        yield DivergenceCause.DECAY, Change(restored=law.decay)
    if _has_schedule(rerun.state):
        yield DivergenceCause.SCHEDULE, Change(held=True)
    if rerun.batch_size is not None:
        yield DivergenceCause.BATCHES, rerun._replace(batch_size=None)


def _has_schedule(state: TrainState) -> bool:
    found: list[bool] = []

    def note(count: jax.Array, _: jax.Array) -> jax.Array:
        found.append(True)
        return count

    counts(state.opt_state, state.opt_state, note)
    return bool(found)


def scale_that_learns(
    rerun: Rerun, first: float | None, *, sign: int | tuple[int, ...] = 1
) -> float | None:
    """The largest part of the learning rate, of those tried, with which a run learns.

    Args:
        rerun: of the run that diverged.
        first: tried first.
        sign: -1 to turn the steps round, for which the whole rate is tried as well; or
            one a leaf.
    """
    scales = list(_SCALES) if sign == 1 else [1.0, *_SCALES]
    if first is not None and first not in scales:
        scales = [first, *(scale for scale in scales if scale < first or sign != 1)]
    for scale in scales:
        if isinstance(sign, tuple):
            each = tuple(scale * x for x in sign)
        else:
            each = scale * sign
        if rerun.succeeds(Change(scale=each)):
            return scale
    return None


def without_bound(
    objective: Objective, start: TrainState, end: TrainState, train: Batch
) -> bool:
    """Whether the objective goes on falling however far a run goes on its way.

    Args:
        objective: what was minimised.
        start: where the run started.
        end: its last good state.
        train: the training data.
    """

    @jax.jit
    def losses(one: PyTree, other: PyTree, reach: jax.Array) -> jax.Array:
        def loss(times: jax.Array) -> jax.Array:
            params = jax.tree.map(
                lambda one, other: one + times.astype(one.dtype) * (other - one),
                one,
                other,
            )
            return objective(params, train, start.key)

        return jax.lax.map(loss, reach)

    reach = jnp.asarray(_REACH, jnp.float32)
    found = np.asarray(losses(start.params, end.params, reach), np.float64)
    finite = found[: int(np.argmin(np.isfinite(np.r_[found, np.nan])))]
    # A loss that is never negative cannot fall for ever.
    return len(finite) > 2 and bool(np.all(np.diff(finite) < 0) and finite[-1] < 0)
