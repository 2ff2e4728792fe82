"""What a train step does at a point: is its gradient right, and where does it go.

All is measured from outside. The gradient is compared with differences of the objective
along it, which know neither the gradient nor the rules that it was derived by. The
update is fitted, over random points around the start, with the first updates of the
common optimizers, each with a decay of the parameters:

    u = -a g - b p           gradient descent, with momentum or without
    u = -a sign(g) - b p     Adam, RMSprop, Lion
    u = -a g / |g| - b p     clipped or normalised gradients
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from funclearn import _programs
from funclearn._types import Batch, Objective, Scalar
from funclearn.training import TrainState, TrainStep

__all__ = ["Law", "Probes", "probe"]

_POINTS = 8
# Of the size of the parameters; differences of a quadratic are exact at any step.
_STEPS = np.geomspace(1e-4, 1.0, 9)
# Two neighbouring steps whose slopes agree so well have found the slope.
_AGREE = 0.05
# What the fitted law may leave of the updates: far above rounding, far below a term.
_LEFT = 1e-2
# Of the parameters in a step, and of the updates' length, from which on a decay is told
# from rounding.
_DECAY, _SHARE = 1e-4, 1e-3
# A gradient from differences is exact to about a per cent, a slope to a few.
_WRONG_SLOPE, _WRONG_GRADIENT = 0.2, 0.1
_ALIKE = 0.95  # the cosine of 18 degrees
# Numbers of a large model that are looked at.
_MOST = 4096

_Vector: TypeAlias = Float[Array, " n"]


class Law(NamedTuple):
    """How the updates follow from the gradients.

    Attributes:
        kind: `"gradient"`, `"sign"` or `"norm"`.
        rate: a; negative where the steps go along the gradient.
        decay: b.
    """

    kind: str
    rate: float
    decay: float


class Probes(NamedTuple):
    """What was measured at the start of a run.

    Attributes:
        slope: the objective's slope along the step's gradient, as a part of what the
            gradient says, so 1 if that is right; None where it could not be measured.
        differs: how far the step's gradient is from that of autodiff, as a part of it.
        cosine: of the angle between the two.
        uphill: whether the first update goes along the objective's gradient.
        turned: for every leaf of the parameters -1 where its updates go along the
            gradient, else 1; what an optimizer's mask leaves out goes there.
        overflows: whether it is not finite, though the gradient is.
        law: how the updates follow from the gradients; None if it is another law.
    """

    slope: float | None
    differs: float
    cosine: float
    uphill: bool
    turned: tuple[int, ...]
    overflows: bool
    law: Law | None

    @property
    def is_wrong(self) -> bool:
        """Whether the step's gradient is not that of the objective."""
        slope = 1.0 if self.slope is None else self.slope
        return abs(slope - 1) > _WRONG_SLOPE or self.differs > _WRONG_GRADIENT

    @property
    def backwards(self) -> bool:
        """Whether the step's gradient would be right with the other sign."""
        if self.slope is None or self.slope >= 0:
            return False
        # A rule of the objective's own may have the wrong sign, and autodiff with it.
        return self.cosine < -_ALIKE or self.cosine > _ALIKE

    @property
    def is_uphill(self) -> bool:
        """Whether the steps go along their gradient, a decay of parameters aside."""
        return self.uphill if self.law is None else self.law.rate < 0


class _Seen(NamedTuple):
    """Gradients, updates and points, and the slopes over some steps."""

    points: Float[Array, "points n"]
    grads: Float[Array, "points n"]
    updates: Float[Array, "points n"]
    true: _Vector
    slopes: Float[Array, " steps"]
    norm: Scalar


def probe(
    objective: Objective, train_step: TrainStep, state: TrainState, batch: Batch
) -> Probes:
    """Measures a train step at a state.

    Args:
        objective: what it should minimise.
        train_step: of the user.
        state: where the run starts.
        batch: what it is given in a step.
    """
    program = _programs.kept(_compile, (objective, train_step))
    seen = jax.tree.map(
        lambda leaf: np.asarray(leaf, np.float64), program(state, batch)
    )
    with np.errstate(all="ignore"):
        slope = _slope(seen.slopes) / seen.norm if seen.norm > 0 else np.nan
        true, first = seen.true, seen.grads[0]
        size = np.linalg.norm(true)
        differs = np.linalg.norm(first - true) / size if size > 0 else 0.0
        cosine = first @ true / (size * np.linalg.norm(first))
        uphill = bool(seen.updates[0] @ (true if np.isfinite(size) else first) > 0)
    return Probes(
        slope=float(slope) if np.isfinite(slope) else None,
        differs=float(differs) if np.isfinite(differs) else 0.0,
        cosine=float(cosine) if np.isfinite(cosine) else 0.0,
        uphill=uphill,
        turned=_turned(seen, [np.size(leaf) for leaf in jax.tree.leaves(state.params)]),
        overflows=bool(
            np.isfinite(first).all() and not np.isfinite(seen.updates[0]).all()
        ),
        law=_law(seen),
    )


def _compile(
    take: Callable[[], tuple[Objective, TrainStep]],
) -> Callable[[TrainState, Batch], _Seen]:
    @jax.jit
    def look(state: TrainState, batch: Batch) -> _Seen:
        objective, train_step = take()
        start, unravel = ravel_pytree(state.params)
        # The key of the first step, so that noise is the same.
        key = jax.random.fold_in(jax.random.fold_in(state.key, 0), state.step)

        def step(point: _Vector) -> tuple[_Vector, _Vector]:
            params = unravel(point)
            after, info = train_step(state._replace(params=params), batch)
            grads = getattr(info, "grads", None)
            if jax.tree.structure(grads) != jax.tree.structure(params):
                grads = jax.grad(objective)(params, batch, key)
            return ravel_pytree(grads)[0], ravel_pytree(after.params)[0] - point

        def loss(point: _Vector) -> Scalar:
            return objective(unravel(point), batch, key)

        points = _around(start)
        grads, updates = jax.lax.map(step, points)
        norm = jnp.linalg.norm(grads[0])
        along = grads[0] / jnp.where(norm > 0, norm, 1.0)
        steps = jnp.asarray(_STEPS, start.dtype) * jnp.maximum(_size(start), 1e-3)
        slopes = jax.lax.map(
            lambda step: (
                (loss(start + step * along) - loss(start - step * along)) / (2 * step)
            ),
            steps,
        )
        return _Seen(points, grads, updates, jax.grad(loss)(start), slopes, norm)

    return look


def _size(point: _Vector) -> Scalar:
    return jnp.max(jnp.abs(point))


def _around(start: _Vector) -> Float[Array, "points n"]:
    """The point itself, and random ones around it whose parameters are not zero."""
    noise = jax.random.normal(jax.random.key(0), (_POINTS, start.size), start.dtype)
    others = start[None] + noise * jnp.maximum(_size(start), 1e-3)
    return jnp.concatenate([start[None], others])


def _slope(slopes: np.ndarray) -> float:
    """The slope on which two neighbouring steps agree best, NaN if none do."""
    apart = np.abs(np.diff(slopes)) / np.maximum(np.abs(slopes[1:]), 1e-300)
    apart = np.where(np.isfinite(apart), apart, np.inf)
    best = int(np.argmin(apart))
    return float(slopes[best + 1]) if apart[best] < _AGREE else np.nan


def _turned(seen: _Seen, sizes: list[int]) -> tuple[int, ...]:
    both = np.stack([seen.grads, seen.updates])
    found = []
    with np.errstate(all="ignore"):
        for grads, updates in np.split(both, np.cumsum(sizes)[:-1], axis=2):
            lengths = np.linalg.norm(grads) * np.linalg.norm(updates)
            found.append(-1 if np.sum(grads * updates) > _ALIKE * lengths else 1)
    return tuple(found)


def _law(seen: _Seen) -> Law | None:
    points, grads, updates = seen.points[:, :_MOST], seen.grads, seen.updates[:, :_MOST]
    with np.errstate(all="ignore"):
        norms = np.linalg.norm(grads, axis=1, keepdims=True)
        kinds = {
            "gradient": grads[:, :_MOST],
            "sign": np.sign(grads[:, :_MOST]),
            "norm": grads[:, :_MOST] / norms,
        }
    for kind, shape in kinds.items():
        rows = np.stack([shape.ravel(), points.ravel(), updates.ravel()], axis=1)
        law = _fitted(kind, rows[np.isfinite(rows).all(axis=1)])
        if law is not None:
            return law
    return None


def _fitted(kind: str, rows: np.ndarray) -> Law | None:
    if len(rows) < 3:
        return None
    scale = np.linalg.norm(rows, axis=0)
    if not scale[0] > 0 or not scale[2] > 0:
        return None
    unit = rows / np.where(scale > 0, scale, 1.0)
    found, _, rank, _ = np.linalg.lstsq(unit[:, :2], unit[:, 2], rcond=1e-4)
    if rank < 2:
        # Gradient and parameters are parallel: a decay cannot be told from a rate.
        found = np.array([unit[:, 0] @ unit[:, 2], 0.0])
    left = np.linalg.norm(unit[:, 2] - unit[:, :2] @ found)
    if left > _LEFT:
        return None
    rate, decay = -found * scale[2] / np.where(scale[:2] > 0, scale[:2], np.inf)
    decays = abs(decay) > _DECAY and abs(found[1]) > _SHARE
    return Law(kind, float(rate), float(decay) if decays else 0.0)
