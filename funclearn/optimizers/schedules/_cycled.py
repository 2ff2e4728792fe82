"""A schedule of the learning rate with one of the momentum."""

import dataclasses
from typing import Any

from jaxtyping import Array, Float

from funclearn.optimizers.schedules._arguments import Schedule

__all__ = ["CycledSchedule"]


@dataclasses.dataclass(frozen=True)
class CycledSchedule:
    """A schedule of the learning rate, `count -> rate`, with one of the momentum.

    Attributes:
        lr: the learning rate's, which calling the whole calls.
        momentum: that for the optimizer's momentum, or the first of its betas; None
            where it was asked for without.
    """

    lr: Schedule
    momentum: Schedule | None

    def __call__(self, count: Any) -> Float[Array, "..."]:
        """The learning rate at a count."""
        return self.lr(count)
