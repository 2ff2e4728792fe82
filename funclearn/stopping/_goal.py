"""What is watched, and which way it becomes better."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from funclearn._checks import check_direction
from funclearn._types import Scalar, ScalarLike
from funclearn.stopping._memory import highest
from funclearn.stopping._observation import Observation
from funclearn.stopping._settings import check_quantity, check_start

__all__ = ["TRAINING_LOSS", "Goal", "make_goal"]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("start",),
    meta_fields=("on", "direction"),
)
@dataclasses.dataclass(frozen=True)
class Goal:
    """A quantity, its direction, and the epochs of it that do not count.

    Attributes:
        on: `"loss"`, `"validation"`, `"evaluation.NAME"` or `NAME`; None for the
            validation loss where there is one, else the training loss.
        direction: `"min"` if less is better, `"max"` if more is.
        start: how many epochs do not count; None is 0, and costs nothing.
    """

    on: str | None = None
    direction: str = "min"
    start: ScalarLike | None = None

    @property
    def looks_at(self) -> str | None:
        """The field of an observation that holds it; None as in `on`."""
        return self.on if self.on in ("loss", "validation", None) else "evaluation"

    def of(self, observation: Observation) -> Scalar:
        """The quantity, negated if more is better: less is better of what it returns.

        Raises:
            ValueError: if it is not there.
        """
        return self.signed(observation.watched(self.on))

    def signed(self, value: Scalar) -> Scalar:
        """A value of the quantity, negated if more is better; and the way back."""
        return -value if self.direction == "max" else value

    def worst(self, dtype: Any) -> np.ndarray:
        """What every value of a dtype is better than."""
        high = highest(dtype)
        return np.asarray(-high if self.direction == "max" else high)

    def counts(self, epoch: Int[Array, ""] | int) -> Bool[Array, ""]:
        """Whether an epoch counts, all epochs being counted from 1."""
        return jnp.asarray(self.start is None or epoch > self.start)

    def same_as(self, other: "Goal") -> bool:
        """Whether values of both can be compared; their starts do not matter."""
        names = [goal.on or "validation" for goal in (self, other)]
        return names[0] == names[1] and self.direction == other.direction


TRAINING_LOSS = Goal("loss")
"""The goal of rules that watch no quantity with a name."""


def make_goal(
    on: str | None, direction: str, start: ScalarLike = 0, prefix: str = ""
) -> Goal:
    """Makes a goal of what a caller gave.

    Args:
        on: as in `Goal`, like the next two.
        direction: what is better.
        start: how many epochs do not count.
        prefix: of the names that the caller has for the first two, for messages.

    Raises:
        TypeError: if `on` is neither a string nor None, or `start` no integer.
        ValueError: if `on` is empty, `direction` neither `"min"` nor `"max"`, or
            `start` negative.
    """
    check_quantity(f"{prefix}on", on)
    check_direction(f"{prefix}direction", direction)
    check_start("start", start)
    none = isinstance(start, int) and start == 0
    return Goal(on, direction, None if none else start)
