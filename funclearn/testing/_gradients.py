"""The assertion that a gradient derived by hand is right."""

import warnings
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from funclearn._types import Batch, Params, Scalar
from funclearn.gradients import (
    Agreement,
    GradientReport,
    GradientsNearlyAgree,
    GradientsUndecided,
    compare,
    likely_slip,
)

__all__ = ["assert_gradients_agree"]


def assert_gradients_agree(
    objective: Callable[..., Scalar],
    closed_form: Callable[..., Params],
    params: Params,
    batch: Batch,
    key: PRNGKeyArray | None = None,
    *,
    order: int = 1,
    resolution: float = 1e-3,
) -> None:
    """Asserts that a closed form is the gradient of an objective, and autodiff too.

    `funclearn.gradients.compare` compares both with finite differences, up to
    what rounding explains; there is no tolerance to choose. Where they differ by more
    than that, but by less than a tenth of the resolution, no slip is at work: a program
    that iterates to a tolerance, or approximates, is no more exact. That passes, with
    a `GradientsNearlyAgree` warning.

    Args:
        objective: `(params, batch) -> scalar` or `(params, batch, key) -> scalar`.
        closed_form: `(params, batch) -> grads` or `(params, batch, key) -> grads`.
        params: where to compare: a pytree of floating-point arrays.
        batch: a pytree of arrays.
        key: given to the functions that take one.
        order: 1 for the gradient, 2 for its derivative along a direction.
        resolution: the relative error that has to be seen for a yes.

    Raises:
        AssertionError: if one of them disagrees. The message names the coordinate that
            is farthest off, its values, their ratio and the likely slip.
        GradientsUndecided: if it cannot be told, an AssertionError too.
        TypeError, ValueError: as `funclearn.gradients.compare` does.

    Example:
        >>> def loss(w, batch):
        ...     return jnp.mean((w * batch - 1) ** 2)
        >>> def wrong(w, batch):
        ...     return jnp.mean((w * batch - 1) * batch)
        >>> try:
        ...     fl.testing.assert_gradients_agree(
        ...         loss, wrong, jnp.float32(2), jnp.arange(1.0, 4.0)
        ...     )
        ... except AssertionError as error:
        ...     print([line for line in str(error).splitlines() if "slip" in line][0])
        The likely slip: every derivative is half of what it should be.
    """
    report = compare(
        objective,
        params,
        batch,
        key,
        against=closed_form,
        order=order,
        resolution=resolution,
    )
    if report.verdict is Agreement.CANNOT_TELL:
        raise GradientsUndecided(f"{report}")
    if report.verdict is Agreement.NEARLY_AGREES:
        warnings.warn(f"{report}", GradientsNearlyAgree, stacklevel=2)
    if report.verdict is Agreement.DISAGREES:
        lines = (*_worst(report), *_slip(report, params, batch), "", str(report))
        raise AssertionError("\n".join(lines))


def _worst(report: GradientReport) -> Iterator[str]:
    (worst,) = report.worst(1)
    difference = report.differences.values[worst]
    wrong = [tested for tested in report.tested if tested.disagrees[worst]]
    names = " and ".join(tested.name for tested in reversed(wrong))
    yield f"{names} and finite differences disagree, most of all at"
    yield f"{report.coordinates.name(worst)}:"
    for tested in reversed(report.tested):
        yield f"  {tested.name:<18} {tested.values[worst]: .9g}"
    bound = report.differences.bounds[worst]
    yield f"  finite difference  {difference: .9g} ± {bound:.1g}"
    for tested in wrong:
        if difference:
            ratio = tested.values[worst] / difference
            yield f"  {tested.name} / finite difference = {ratio:.6g}"


def _slip(report: GradientReport, params: Params, batch: Batch) -> Iterator[str]:
    # Only a closed form has slips; autodiff may be the one that is wrong.
    if not report.closed_forms[0].disagrees.any():
        return
    leaves = [np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(params)]
    places = zip(report.coordinates.leaf, report.coordinates.position, strict=True)
    compared = np.array([leaves[leaf][index] for leaf, index in places])
    lengths = [length for leaf in jax.tree.leaves(batch) for length in jnp.shape(leaf)]
    if slip := likely_slip(report, compared, lengths):
        yield f"The likely slip: {slip}."
