"""The comparison of gradients: autodiff, a closed form and finite differences.

All three are carried out in float64 at the same parameters, whatever the precision of
the functions (see `_promotion`), and judged one coordinate at a time (`_judgement`).
"""

from collections.abc import Callable, Mapping

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import PRNGKeyArray

from funclearn._checks import check_floating, integer_at_least, path_name
from funclearn._notes import bound, trainable
from funclearn._types import Batch, Params
from funclearn.gradients._differences import SAFETY, Differences
from funclearn.gradients._evaluation import Gradient, closed_form, reverse_mode
from funclearn.gradients._judgement import judge, scales_of
from funclearn.gradients._problem import Function, Problem, pose, take_apart
from funclearn.gradients._report import GradientReport
from funclearn.gradients._sampling import Value, finite_differences
from funclearn.gradients._search import Doubts, doubts_of, refined

__all__ = ["GradientsNearlyAgree", "GradientsUndecided", "compare"]


class GradientsNearlyAgree(UserWarning):
    """Gradients differ by more than rounding, and by less than any slip."""


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
    """Compares autodiff and a closed form with finite differences.

    Every coordinate of every leaf is compared, each at steps of its own scale. What
    rounding and finite steps explain is measured for each of them, so that there is no
    tolerance to choose.

    Args:
        objective: `(params, batch) -> scalar` or `(params, batch, key) -> scalar`, any
            function that JAX can trace.
        params: a pytree of floating-point arrays of any precision; what a model notes
            beside them is as constant as the batch.
        batch: a pytree of arrays.
        key: given to the functions that take one, at every evaluation the same. It
            may be left out where nothing is drawn from it.
        against: a closed form of the gradient, `(params, batch) -> grads` or
            `(params, batch, key) -> grads`, which JAX can trace as well; or several
            of them by name. With one, the objective may be a function of which JAX
            has no reverse mode.
        order: 1 for gradients; 2 for the Hessian's product with a direction that
            moves every parameter by its size, up or down. For order 2 the closed form
            of the gradient is differentiated along that direction.
        resolution: the relative error that has to be seen for a yes.
        max_coordinates: with more parameters than these, so many are drawn.
        seed: draws them and the direction.

    Returns:
        A report of the verdict, the numbers of every coordinate, and how small an error
        would have been caught. At a kink of the objective (relu at 0, the tie of a
        maximum) every value between the slopes on either side agrees. At the edge of
        where it has values, the derivative is that of the inner side. A difference
        beyond rounding, but below a tenth of the resolution, is what a program shows
        that iterates to a tolerance: the two nearly agree.

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
    objective, params = bound(objective, params), _checked(trainable(params))
    problem = pose(params, batch, key, order=order, limit=limit, seed=seed)
    function = take_apart(objective)
    if not isinstance(against, Mapping):
        against = {} if against is None else {"closed form": against}
    closed_forms = {name: take_apart(form) for name, form in against.items()}
    with jax.enable_x64(True), jax.debug_nans(False):
        differences, value = finite_differences(problem, function)
        _check_finite(value)
        autodiff, missing = _autodiff(problem, function, value, needed=not closed_forms)
        gradients = {
            name: closed_form(problem, form) for name, form in closed_forms.items()
        }

        def report(differences: Differences) -> GradientReport:
            return _report(
                problem, differences, autodiff, missing, gradients, resolution
            )

        def doubts(differences: Differences) -> Doubts:
            return _doubts(problem, differences, value, report(differences))

        return report(refined(problem, function, differences, doubts))


def _autodiff(
    problem: Problem, function: Function, value: Value, *, needed: bool
) -> tuple[Gradient | None, str]:
    """Autodiff's gradient, or why there is none."""
    try:
        gradient, again = reverse_mode(problem, function)
    # The objective was evaluated before: what fails now is its differentiation.
    except (NotImplementedError, TypeError, ValueError) as error:
        if needed:
            raise
        return None, str(error).splitlines()[0]
    _check_same(value, again)
    return gradient, ""


def _doubts(
    problem: Problem, differences: Differences, value: Value, found: GradientReport
) -> Doubts:
    point = problem.point[problem.chosen]
    allowed = found.resolution * found.scales
    return doubts_of(found.tested, differences, value, point, allowed)


def _report(
    problem: Problem,
    differences: Differences,
    autodiff: Gradient | None,
    missing: str,
    closed_forms: Mapping[str, Gradient],
    resolution: float,
) -> GradientReport:
    sizes = problem.sizes[problem.chosen]
    scales = scales_of(differences, autodiff, problem.coordinates.leaf, sizes)
    tested, forms = judge(differences, autodiff, closed_forms, scales, resolution)
    leaves = jax.tree.leaves(problem.arguments[0])
    return GradientReport(
        order=problem.settings.order,
        coordinates=problem.coordinates,
        n_parameters=problem.point.size,
        dtypes=tuple(sorted({str(leaf.dtype) for leaf in leaves})),
        differences=differences,
        autodiff=tested,
        missing=missing,
        closed_forms=forms,
        scales=scales,
        resolution=resolution,
    )


def _checked(params: Params) -> Params:
    check_floating("params", params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if not np.isfinite(np.asarray(leaf, np.float64)).all():
            raise ValueError(f"{path_name('params', path)} must be finite; got {leaf}.")
    if not any(np.size(leaf) for leaf in jax.tree.leaves(params)):
        raise ValueError("params must hold at least one number; got empty arrays.")
    return params


def _check_finite(value: Value) -> None:
    for number in (value.own, value.value):
        if not np.isfinite(number):
            raise ValueError(f"objective must be finite at params; got {number}.")


def _check_same(value: Value, again: float) -> None:
    noise = max(value.spread, abs(value.value) * np.finfo(float).eps)
    if abs(value.value - again) > SAFETY * noise:
        raise ValueError(
            "objective must be a function of its arguments alone; it gave "
            f"{value.value:.9g} and then {again:.9g}. Draw from the key instead."
        )
