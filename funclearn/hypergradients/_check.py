"""A derivative of a run beside finite differences of the run, in float64.

Every argument is moved as a whole, each of its numbers by its own size and in the
direction in which the run's value rises: one derivative for each argument, to which all
of its numbers contribute. The differences are those of the project's own comparison of
gradients, which knows how exact they are.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from funclearn.gradients import Agreement, GradientReport, compare
from funclearn.hypergradients._arguments import Fixed
from funclearn.hypergradients._modes import scalar

__all__ = ["Check", "Comparable", "comparable", "compared"]

# A derivative that is off by a hundredth still points where it should. The comparison
# takes a difference below a tenth of its resolution for none of a formula's.
_RESOLUTION = 0.1


class Check(NamedTuple):
    """What a comparison with finite differences found.

    Attributes:
        report: all of it; None where there could be none.
        errors: by argument, by how much the derivative along a direction that moves all
            of its numbers is off, relative to it.
        missing: why there is no report; else empty.
    """

    report: GradientReport | None
    errors: Mapping[str, float]
    missing: str = ""

    @property
    def verdict(self) -> Agreement:
        """*agrees* or *nearly agrees* where no derivative is off by a hundredth."""
        return Agreement.CANNOT_TELL if self.report is None else self.report.verdict


class _Data(NamedTuple):
    """What the run is called with while its arguments are moved.

    Attributes:
        point: the arguments by which it was differentiated.
        directions: in which each of them is moved.
        slopes: by argument, the derivative in that direction.
        arrays: those of the other arguments.
    """

    point: dict[str, PyTree]
    directions: dict[str, PyTree]
    slopes: dict[str, Array]
    arrays: list[Any]


class Comparable(NamedTuple):
    """A run as `compare` takes it; programs are found by these functions."""

    objective: Callable[[dict[str, Array], _Data], Array]
    slopes: Callable[[dict[str, Array], _Data], dict[str, Array]]


@jax.custom_vjp
def _without_reverse(value: Array) -> Array:
    return value


def _refuse(value: Array) -> tuple[Array, None]:
    # Its float64 reverse mode, with rounding drawn eight times, would cost many times
    # what the derivative did, and say no more than the differences.
    raise NotImplementedError("the derivative is compared as it was computed.")


_without_reverse.defvjp(_refuse, lambda _, change: (change,))


def comparable(take: Callable[[], tuple[Any, ...]], fixed: Fixed) -> Comparable:
    """Makes a run comparable; `take()` gives the run."""

    def objective(places: dict[str, Array], data: _Data) -> Array:
        (run,) = take()
        moved = {
            name: _moved(data.point[name], data.directions[name], place)
            for name, place in places.items()
        }
        value = scalar(run(**moved, **fixed.fill(data.arrays)))
        return _without_reverse(value)

    def slopes(places: dict[str, Array], data: _Data) -> dict[str, Array]:
        del places
        return data.slopes

    return Comparable(objective, slopes)


def _moved(point: PyTree, direction: PyTree, place: Array) -> PyTree:
    """The point at place 1, moved by the direction for every other unit."""
    return jax.tree.map(
        lambda x, d: (x + (place - 1) * d).astype(x.dtype), point, direction
    )


def compared(
    functions: Comparable,
    point: Mapping[str, PyTree],
    derivatives: Mapping[str, PyTree],
    arrays: list[Any],
    dtype: Any,
) -> Check:
    """Compares derivatives with finite differences.

    Args:
        functions: those of the run.
        point: where.
        derivatives: by the name of an argument.
        arrays: those of the other arguments.
        dtype: that of the run's value.
    """
    directions = {
        name: jax.tree.map(_direction, value, derivatives[name])
        for name, value in point.items()
    }
    # Half precision has too few digits to hold what is to be compared.
    kind = jnp.promote_types(dtype, jnp.float32)
    slopes = {
        name: jnp.asarray(_along(derivatives[name], directions[name]), kind)
        for name in point
    }
    places = {name: jnp.ones((), kind) for name in point}
    data = _Data(dict(point), directions, slopes, arrays)
    try:
        report = compare(
            functions.objective,
            places,
            data,
            against=functions.slopes,
            resolution=_RESOLUTION,
        )
    except (NotImplementedError, TypeError, ValueError) as error:
        # What cannot be carried out in float64 is no fault of the derivative.
        return Check(None, {}, str(error).splitlines()[0])
    (tested,) = report.closed_forms
    found = np.abs(tested.values - report.differences.values)
    errors = report.relative(np.where(np.isfinite(tested.floors), found, np.inf))
    return Check(report, dict(zip(sorted(point), map(float, errors), strict=True)))


def _direction(value: Any, slope: Any) -> np.ndarray:
    numbers = np.asarray(value, np.float64)
    size = np.abs(numbers)
    typical = np.sqrt(np.mean(numbers**2)) or 1.0
    size = np.where(size > 0, size, typical)
    direction = np.where(np.asarray(slope, np.float64) < 0, -size, size)
    return direction.astype(jnp.result_type(value))


def _along(slopes: PyTree, directions: PyTree) -> float:
    products = jax.tree.map(
        lambda x, y: np.sum(np.asarray(x, np.float64) * np.asarray(y, np.float64)),
        slopes,
        directions,
    )
    return float(sum(jax.tree.leaves(products)))
