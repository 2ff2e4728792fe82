"""Whether a gradient agrees with finite differences.

A gradient that is right differs from the finite difference by at most

    floor = 10 · (truncation + rounding of the difference)
            + 4 · (rounding of the gradient + rounding of autodiff)

where every term is measured, coordinate by coordinate; autodiff stands for the
derivative of the objective as it is written. Beyond the floor the two differ. Within
it they agree, provided that an error of the resolution would have been beyond it: that
is found out by moving the gradient until the verdict flips.

Not every difference is a slip. A program that stops at a tolerance, or computes an
approximation, follows its mathematics to that accuracy only, and so do the differences
of its values; slips change far more.
"""

from collections.abc import Callable, Mapping

import numpy as np

from funclearn.gradients._differences import Differences
from funclearn.gradients._evaluation import Gradient
from funclearn.gradients._findings import Tested

__all__ = ["judge", "scales_of"]

# The draws show how large a rounding error is, not how large it can be.
_ROUNDING_SAFETY = 4

# A gradient counts as zero this far below the largest of its array: float32 has little
# more than six digits.
_NEGLIGIBLE = 1e-6

# An error of a fiftieth of the resolution is no slip: a digit typed wrong, a factor or
# a sign change more. Nor is one of a tenth where autodiff is off as well, or there is
# none: iterations that stop at 1e-5 have derivatives that are off by up to ten times
# that, since these converge a few steps later.
_NO_SLIP, _NO_SLIP_OF_INEXACT = 0.02, 0.1

# Approximations that are made for float32 have values to 1e-7 and derivatives to 1e-6
# of what is typical of them.
_APPROXIMATE = 1e-5

# A rule that is as exact as autodiff misses a program by about as much as that does.
_ALIKE = 10


def scales_of(
    differences: Differences,
    autodiff: Gradient | None,
    leaf: np.ndarray,
    sizes: np.ndarray,
) -> np.ndarray:
    """What the errors of every coordinate are relative to.

    That is the size of its derivative, or the size below which that counts as zero: far
    less than what the function changes by, and than the largest of the same array, both
    as they are and times the sizes of the coordinates, which may be in several units.

    Args:
        differences: of the objective.
        autodiff: that of the objective; without one, nothing counts as zero for its
            array alone.
        leaf: `(coordinates,)`, which array each is of.
        sizes: `(coordinates,)`, theirs.

    Returns:
        The scales, `(coordinates,)`; infinite where everything says zero.
    """
    found = np.where(differences.settled, np.abs(differences.values), 0.0)
    seen = np.where(found > differences.bounds, found, 0.0)
    zero = _NEGLIGIBLE * differences.changes
    if autodiff is not None:
        finite = np.isfinite(autodiff.values)
        derivatives = np.abs(np.where(finite, autodiff.values, 0.0))
        found, seen = np.maximum(found, derivatives), np.maximum(seen, derivatives)
        with np.errstate(over="ignore"):
            influences = _largest(seen * sizes, leaf) / sizes
        influences = np.minimum(_largest(seen, leaf), influences)
        zero = np.maximum(zero, _NEGLIGIBLE * influences)
    scales = np.maximum(found, zero)
    return np.where(scales > 0, scales, np.inf)


def _largest(numbers: np.ndarray, leaf: np.ndarray) -> np.ndarray:
    largest = np.zeros(leaf.max() + 1)
    np.maximum.at(largest, leaf, numbers)
    return largest[leaf]


def judge(
    differences: Differences,
    autodiff: Gradient | None,
    closed_forms: Mapping[str, Gradient],
    scales: np.ndarray,
    resolution: float,
) -> tuple[Tested, tuple[Tested, ...]]:
    """Compares autodiff and closed forms with finite differences.

    Args:
        differences: of the objective.
        autodiff: that of the objective; None where JAX has none.
        closed_forms: by name.
        scales: what errors are relative to.
        resolution: the relative error that has to be seen.

    Returns:
        What is found of autodiff, which is NaN and undecided where there is none, and
        of the closed forms.
    """
    accuracy = _NO_SLIP_OF_INEXACT * resolution
    # Where a derivative is far smaller than around it, the error of an approximation is
    # to be compared with what the function changes by.
    slack = np.maximum(
        accuracy * np.abs(differences.values),
        min(_APPROXIMATE, accuracy) * differences.changes,
    )
    reference, tested = np.zeros_like(scales), _untested("autodiff", scales.shape)
    if autodiff is not None:
        tested = _test(
            "autodiff", autodiff, differences, reference, slack, scales, resolution
        )
        reference = np.where(np.isfinite(autodiff.spread), autodiff.spread, 0.0)
        exact = _NO_SLIP * resolution * np.abs(differences.values)
        off = _ALIKE * np.abs(autodiff.values - differences.values)
        slack = np.where(tested.near, np.minimum(slack, np.maximum(exact, off)), exact)
    forms = []
    for name, form in closed_forms.items():
        found = _test(name, form, differences, reference, slack, scales, resolution)
        confirmed = _is_confirmed(form, autodiff, differences, scales, resolution)
        decided = found.disagrees | found.near | (found.decided & confirmed)
        forms.append(found._replace(decided=decided))
    return tested, tuple(forms)


def _untested(name: str, shape: tuple[int, ...]) -> Tested:
    nothing, endless, never = (np.full(shape, x) for x in (np.nan, np.inf, False))
    return Tested(name, nothing, nothing, endless, endless, *[never] * 3)


def _test(
    name: str,
    gradient: Gradient,
    differences: Differences,
    reference: np.ndarray,
    slack: np.ndarray,
    scales: np.ndarray,
    resolution: float,
) -> Tested:
    rounding = _ROUNDING_SAFETY * (gradient.spread + reference)
    with np.errstate(invalid="ignore"):
        floors = differences.bounds + differences.kinks + rounding
    floors = np.where(np.isnan(floors), np.inf, floors)

    def off_by(values: np.ndarray) -> np.ndarray:
        return np.abs(values - differences.values)

    def beyond(values: np.ndarray) -> np.ndarray:
        return off_by(values) > floors

    with np.errstate(invalid="ignore"):
        finite = np.isfinite(gradient.values) & np.isfinite(gradient.own)
        differs = beyond(gradient.values)
        excess = off_by(gradient.values) - differences.kinks
        near = differs & finite & (excess <= slack)
    disagrees = (differs & ~near) | (np.isfinite(differences.bounds) & ~finite)
    right = np.where(differs | ~finite, differences.values, gradient.values)
    caught = _smallest_error(beyond, right)
    at_kink = differences.bounds <= resolution * differences.kinks
    at_kink &= (differences.kinks > 0) & np.isfinite(floors)
    # No error is small beside a floor or an error that is infinite.
    seen = (caught <= resolution * scales) & np.isfinite(caught)
    decided = disagrees | near | at_kink | seen
    return Tested(
        name, gradient.values, gradient.own, floors, caught, disagrees, near, decided
    )


def _is_confirmed(
    form: Gradient,
    autodiff: Gradient | None,
    differences: Differences,
    scales: np.ndarray,
    resolution: float,
) -> np.ndarray:
    """Whether a closed form is seen by differences, or else is the same as autodiff.

    Without autodiff it has to be zero where nothing is seen to change. At a kink the
    two may choose different slopes.
    """
    seen, reference, spread = np.abs(differences.values), 0.0, 0.0
    if autodiff is None:
        seen = np.where(np.isfinite(scales), np.inf, seen)
    else:
        reference, spread = autodiff.values, autodiff.spread
        seen = np.fmax(seen, np.abs(reference))
    with np.errstate(invalid="ignore"):
        sizes = np.minimum(np.abs(form.values), np.abs(reference))
        rounding = _ROUNDING_SAFETY * (form.spread + spread)
        apart = np.abs(form.values - reference)
        is_same = apart <= resolution * sizes + rounding
    return is_same | (seen >= scales) | (differences.kinks > 0)


def _smallest_error(
    beyond: Callable[[np.ndarray], np.ndarray], values: np.ndarray
) -> np.ndarray:
    """Moves a gradient up and down, by bisection, until both are found out."""
    # Nearly all that float64 reaches; 50 halvings of it leave 12 digits of the error.
    seen, unseen = np.full(values.shape, 300.0), np.full(values.shape, -300.0)
    for _ in range(50):
        exponent = (seen + unseen) / 2
        error = 10.0**exponent
        flips = beyond(values + error) & beyond(values - error)
        seen = np.where(flips, exponent, seen)
        unseen = np.where(flips, unseen, exponent)
    return np.where(seen < 300, 10.0**seen, np.inf)
