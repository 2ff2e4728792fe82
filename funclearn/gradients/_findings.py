"""What a comparison of gradients found, in numbers."""

import dataclasses
import enum
from typing import NamedTuple

import numpy as np

from funclearn.gradients._differences import Differences

__all__ = ["Agreement", "Coordinates", "Findings", "Tested"]


class Agreement(enum.StrEnum):
    """Whether gradients are the same, as far as rounding lets anyone see."""

    AGREES = "agrees"
    NEARLY_AGREES = "nearly agrees"
    DISAGREES = "disagrees"
    CANNOT_TELL = "cannot tell"


_WORST_FIRST = (
    Agreement.DISAGREES,
    Agreement.CANNOT_TELL,
    Agreement.NEARLY_AGREES,
    Agreement.AGREES,
)


class Coordinates(NamedTuple):
    """The parameters that were compared, one number each.

    Attributes:
        names: the arrays of the parameters, as Python would reach them.
        shapes: their shapes.
        leaf: `(coordinates,)`, which of the arrays.
        position: `(coordinates,)`, where in the flattened array.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    leaf: np.ndarray
    position: np.ndarray

    def name(self, coordinate: int) -> str:
        """Writes a coordinate as Python would reach it."""
        leaf = self.leaf[coordinate]
        place = np.unravel_index(self.position[coordinate], self.shapes[leaf])
        return self.names[leaf] + (f"[{', '.join(map(str, place))}]" if place else "")


class Tested(NamedTuple):
    """A gradient under test; every array has one number a coordinate.

    Attributes:
        name: "autodiff", "closed form", or that of one closed form among several.
        values: the gradient, carried out in float64.
        own: the gradient in its own precision.
        floors: how far from the finite difference a right gradient may be.
        caught: the smallest error that would have been beyond the floor.
        disagrees: whether it is farther off than that, or not finite.
        near: whether it is, but by less than any slip: no more than the accuracy of a
            program that iterates to a tolerance or approximates.
        decided: whether it is either, or an error of the resolution would have been.
    """

    name: str
    values: np.ndarray
    own: np.ndarray
    floors: np.ndarray
    caught: np.ndarray
    disagrees: np.ndarray
    near: np.ndarray
    decided: np.ndarray

    @property
    def verdict(self) -> Agreement:
        """The verdict on the whole gradient."""
        return self.among(np.ones_like(self.decided))

    def among(self, here: np.ndarray) -> Agreement:
        """The verdict on some coordinates."""
        if self.disagrees[here].any():
            return Agreement.DISAGREES
        if not self.decided[here].all():
            return Agreement.CANNOT_TELL
        return Agreement.NEARLY_AGREES if self.near[here].any() else Agreement.AGREES


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Findings:
    """All that a report tells, without the words for it; see `GradientReport`."""

    order: int
    coordinates: Coordinates
    n_parameters: int
    dtypes: tuple[str, ...]
    differences: Differences
    autodiff: Tested
    missing: str
    closed_forms: tuple[Tested, ...]
    scales: np.ndarray
    resolution: float

    @property
    def tested(self) -> tuple[Tested, ...]:
        """The gradients that were compared with finite differences, autodiff first."""
        if self.missing:
            return self.closed_forms
        return (self.autodiff, *self.closed_forms)

    @property
    def verdict(self) -> Agreement:
        """*disagrees* if one gradient does, *agrees* if all of them do."""
        verdicts = {tested.verdict for tested in self.tested}
        return next(verdict for verdict in _WORST_FIRST if verdict in verdicts)

    @property
    def power(self) -> float:
        """The smallest relative error that would have been caught in any coordinate.

        It was found by moving the gradients until the verdict flipped. Coordinates on
        a kink do not count: every value between the slopes is right there.
        """
        at_kink = self.differences.kinks > 0
        return max(
            float(np.max(self.relative(np.where(at_kink & t.decided, 0, t.caught))))
            for t in self.tested
        )

    def relative(self, errors: np.ndarray) -> np.ndarray:
        """Divides errors by the size of the derivative at every coordinate."""
        finite = np.isfinite(errors)
        return np.where(finite, np.where(finite, errors, 0) / self.scales, errors)

    def worst(self, limit: int) -> list[int]:
        """The coordinates that disagree, the farthest off first.

        How far is relative to the largest derivative in the array. If none disagrees,
        these are the undecided ones, the least decided first; if there is none either,
        those that nearly agree.
        """
        disagrees = np.any([t.disagrees for t in self.tested], axis=0)
        decided = np.all([t.decided for t in self.tested], axis=0)
        if decided.all() and not disagrees.any():
            disagrees = np.any([t.near for t in self.tested], axis=0)
        if disagrees.any():
            errors = [np.abs(t.values - self.differences.values) for t in self.tested]
            errors = np.max(np.nan_to_num(errors, nan=np.inf), axis=0)
            badness = errors / self._largest_in_array()
            candidates = disagrees
        else:
            badness = np.max([self.relative(t.caught) for t in self.tested], axis=0)
            candidates = ~decided
        order = np.argsort(np.where(candidates, -badness, np.inf), kind="stable")
        return order[: min(limit, np.count_nonzero(candidates))].tolist()

    def _largest_in_array(self) -> np.ndarray:
        largest = np.zeros(len(self.coordinates.names))
        np.maximum.at(largest, self.coordinates.leaf, self.scales)
        return largest[self.coordinates.leaf]
