"""The largest stable learning rates of gradient descent at a state."""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
from jaxtyping import PRNGKeyArray

from funclearn import _programs
from funclearn._types import Batch, Objective, Params
from funclearn.data import Dataset, Scaler
from funclearn.diagnosis._curvature import Stability, stability
from funclearn.training import TrainState

__all__ = ["Limits", "limits_at", "scaled_inputs"]


class Limits(NamedTuple):
    """The curvatures, and the largest stable learning rates.

    Attributes:
        stability: the curvatures.
        limit: as the data are.
        scaled_limit: with scaled inputs; None for inputs that cannot be scaled.
    """

    stability: Stability
    limit: float
    scaled_limit: float | None

    def decaying(self, decay: float) -> "Limits":
        """The same where the parameters decay besides, which bends like a penalty.

        Args:
            decay: as a part of the parameters in a step, over the learning rate.
        """
        largest = max(float(self.stability.largest), 0.0)
        if not largest + decay > 0:
            return self
        # The factor that momentum brings is that of the limit without decay.
        factor = self.limit * largest if largest > 0 else 2.0
        return self._replace(limit=factor / (largest + decay), scaled_limit=None)

    def nowhere(self) -> "Limits":
        """The curvatures alone, for steps that follow no law of gradient descent."""
        return self._replace(limit=math.nan, scaled_limit=None)


def limits_at(
    objective: Objective,
    state: TrainState,
    train: Batch,
    momentum: float,
    *,
    nesterov: bool,
) -> Limits:
    """Curvatures and limits at the parameters of a state.

    Args:
        objective: what is minimised.
        state: where to look.
        train: the training data.
        momentum: of gradient descent.
        nesterov: whether it is Nesterov's.
    """
    compiled = _programs.kept(_compiled_stability, (objective,))

    def look(rows: Batch) -> tuple[Stability, float]:
        found = compiled(state.params, rows, state.key)
        return found, float(found.limit(momentum, nesterov=nesterov))

    curvatures, limit = look(train)
    scaled = scaled_inputs(train, curvatures)
    return Limits(curvatures, limit, None if scaled is None else look(scaled)[1])


def scaled_inputs(train: Batch, curvatures: Stability) -> Dataset | None:
    """The data with inputs divided by their root mean squares, where there are any."""
    if not isinstance(train, Dataset) or curvatures.input_scale is None:
        return None
    return Scaler(input_scale=curvatures.input_scale)(train)


_Curvatures: TypeAlias = Callable[[Params, Batch, PRNGKeyArray], Stability]


def _compiled_stability(take: Callable[[], tuple[Objective]]) -> _Curvatures:
    @jax.jit
    def compiled(params: Params, batch: Batch, key: PRNGKeyArray) -> Stability:
        return stability(*take(), params, batch, key)

    return compiled
