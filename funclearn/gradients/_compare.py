"""The comparison of gradients: autodiff, a closed form and finite differences.

All three are carried out in float64 at the same parameters, whatever the precision of
the functions (see `_promotion`). A gradient that is right differs from the
finite difference by at most

    floor = 10 · (truncation + rounding of the difference)
            + 4 · (rounding of the gradient + rounding of autodiff)

where every term is measured, coordinate by coordinate; autodiff stands for the
derivative of the objective as it is written. Beyond the floor the two disagree. Within
it they agree, provided that an error of the resolution would have been beyond it: that
is found out by moving the gradient until the verdict flips.
"""

from collections.abc import Callable, Mapping

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import PRNGKeyArray

from funclearn._checks import check_floating, integer_at_least, path_name
from funclearn._types import Batch, Params
from funclearn.gradients._differences import SAFETY, Differences
from funclearn.gradients._evaluation import (
    Gradient,
    Value,
    closed_form,
    finite_differences,
    reverse_mode,
)
from funclearn.gradients._findings import Tested
from funclearn.gradients._problem import Problem, pose, take_apart
from funclearn.gradients._report import GradientReport

__all__ = ["GradientsUndecided", "compare"]

# The draws show how large a rounding error is, not how large it can be.
_ROUNDING_SAFETY = 4

# A gradient counts as zero this far below the largest of its array: float32 has little
# more than six digits.
_NEGLIGIBLE = 1e-6


class GradientsUndecided(AssertionError):
    """Whether gradients agree cannot be told: neither a yes nor a no."""


def compare(
    objective: Callable[..., ArrayLike],
    params: Params,
    batch: Batch,
    key: PRNGKeyArray | None = None,
    *,
    against: Callable[..., Params] | Mapping[str, Callable[..., Params]] | None = None,
    order: int = 1,
    resolution: float = 1e-3,
    max_coordinates: int = 4096,
    seed: int = 0,
) -> GradientReport:
    """Holds autodiff and a closed form against finite differences.

    Every coordinate of every leaf is compared. What rounding and finite steps explain
    is measured for each of them, so that there is no tolerance to choose.

    Args:
        objective: `(params, batch) -> scalar` or `(params, batch, key) -> scalar`, any
            function that JAX can trace.
        params: a pytree of floating-point arrays of any precision.
        batch: a pytree of arrays.
        key: given to the functions that take one, at every evaluation the same. It
            may be left out where nothing is drawn from it.
        against: a closed form of the gradient, `(params, batch) -> grads` or
            `(params, batch, key) -> grads`, which JAX can trace as well; or several
            of them by name.
        order: 1 for gradients; 2 for the Hessian's product with a direction that
            moves every parameter by its size, up or down. For order 2 the closed form
            of the gradient is differentiated along that direction.
        resolution: the relative error that has to be seen for a yes.
        max_coordinates: with more parameters than these, so many are drawn.
        seed: draws them and the direction.

    Returns:
        A report: the verdict, the numbers of every coordinate, and how small an error
        would have been caught. At a kink of the objective (relu at 0, the tie of a
        maximum) every value between the slopes on either side agrees.

    Raises:
        TypeError: if a parameter, the objective's value or the closed form's is not a
            real floating-point number.
        ValueError: if a parameter or the objective's value is not finite, the objective
            is not scalar or gives two values at one point, a key is needed and was
            not given, or the closed form does not have the structure and shapes of
            the parameters.

    Example:
        >>> def objective(w, batch):
        ...     return jnp.sum(jnp.sin(w) * batch)
        >>> def wrong(w, batch):
        ...     return -jnp.cos(w) * batch
        >>> params, batch = jnp.array([0.5, 1.0]), jnp.array([1.0, 2.0])
        >>> report = fl.gradients.compare(objective, params, batch, against=wrong)
        >>> print(report.verdict)
        disagrees
    """
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2; got {order}.")
    if not 0 < resolution < 1:
        raise ValueError(f"resolution must be between 0 and 1; got {resolution}.")
    limit = integer_at_least("max_coordinates", max_coordinates, 1)
    _check_params(params)
    problem = pose(params, batch, key, order=order, limit=limit, seed=seed)
    function = take_apart(objective)
    if not isinstance(against, Mapping):
        against = {} if against is None else {"closed form": against}
    closed_forms = {name: take_apart(form) for name, form in against.items()}
    with jax.enable_x64(True), jax.debug_nans(False):
        differences, value = finite_differences(problem, function)
        autodiff, again = reverse_mode(problem, function)
        _check_value(value, again)
        gradients = {
            name: closed_form(problem, form) for name, form in closed_forms.items()
        }
    return _judge(problem, differences, autodiff, gradients, resolution)


def _check_params(params: Params) -> None:
    check_floating("params", params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if not np.isfinite(np.asarray(leaf, np.float64)).all():
            raise ValueError(f"{path_name('params', path)} must be finite; got {leaf}.")
    if not any(np.size(leaf) for leaf in jax.tree.leaves(params)):
        raise ValueError("params must hold at least one number; got empty arrays.")


def _check_value(value: Value, again: float) -> None:
    for number in (value.own, value.value):
        if not np.isfinite(number):
            raise ValueError(f"objective must be finite at params; got {number}.")
    noise = max(value.spread, abs(value.value) * np.finfo(float).eps)
    if abs(value.value - again) > SAFETY * noise:
        raise ValueError(
            "objective must be a function of its arguments alone; it gave "
            f"{value.value:.9g} and then {again:.9g}. Draw from the key instead."
        )


def _judge(
    problem: Problem,
    differences: Differences,
    autodiff: Gradient,
    closed_forms: Mapping[str, Gradient],
    resolution: float,
) -> GradientReport:
    scales = _scales(differences, autodiff, problem.coordinates.leaf)
    finite = np.isfinite(autodiff.spread)
    reference = np.where(finite, autodiff.spread, 0.0)
    leaves = jax.tree.leaves(problem.arguments[0])

    def judge(name: str, gradient: Gradient, spread: np.ndarray) -> Tested:
        rounding = _ROUNDING_SAFETY * spread
        return _test(name, gradient, differences, rounding, scales, resolution)

    return GradientReport(
        order=problem.settings.order,
        coordinates=problem.coordinates,
        n_parameters=problem.point.size,
        dtypes=tuple(sorted({str(leaf.dtype) for leaf in leaves})),
        differences=differences,
        autodiff=judge("autodiff", autodiff, autodiff.spread),
        closed_forms=tuple(
            judge(name, gradient, gradient.spread + reference)
            for name, gradient in closed_forms.items()
        ),
        scales=scales,
        resolution=resolution,
    )


def _scales(
    differences: Differences, autodiff: Gradient, leaf: np.ndarray
) -> np.ndarray:
    """What the errors of every coordinate are relative to.

    That is the size of its derivative, or the size below which that counts as zero: far
    less than the largest of the same array, and than what the function changes by. It
    is infinite where everything says zero.
    """
    values = np.where(np.isfinite(autodiff.values), autodiff.values, 0.0)
    derivatives = np.maximum(np.abs(differences.values), np.abs(values))
    largest = np.zeros(leaf.max() + 1)
    np.maximum.at(largest, leaf, derivatives)
    zero = _NEGLIGIBLE * np.maximum(largest[leaf], differences.changes)
    scales = np.maximum(derivatives, zero)
    return np.where(scales > 0, scales, np.inf)


def _test(
    name: str,
    gradient: Gradient,
    differences: Differences,
    rounding: np.ndarray,
    scales: np.ndarray,
    resolution: float,
) -> Tested:
    floors = differences.bounds + differences.kinks + rounding
    floors = np.nan_to_num(floors, nan=np.inf)

    def beyond(values: np.ndarray) -> np.ndarray:
        return np.abs(values - differences.values) > floors

    finite = np.isfinite(gradient.values) & np.isfinite(gradient.own)
    disagrees = beyond(gradient.values) | (np.isfinite(differences.bounds) & ~finite)
    right = np.where(disagrees, differences.values, gradient.values)
    caught = _smallest_error(beyond, right)
    at_kink = (differences.kinks > 0) & (
        differences.bounds <= resolution * differences.kinks
    )
    decided = disagrees | at_kink | (caught <= resolution * scales)
    return Tested(
        name, gradient.values, gradient.own, floors, caught, disagrees, decided
    )


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
