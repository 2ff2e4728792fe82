"""Three interchangeable ways to a gradient.

Each method turns an objective `(params, batch, key) -> scalar` into
`value_and_grad(params, batch, key) -> (loss, grads)`, where the gradient has the
structure of the parameters:

- `autodiff` applies the chain rule to the program, backwards;
- `finite_difference` nudges one parameter at a time and watches the loss;
- `given` uses a formula that somebody derived by hand (see `funclearn.analytic`).

So one training loop serves all three, and `compare` holds them against each other.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from funclearn._checks import check_floating, check_same_structure, is_static_number
from funclearn._comparison.report import GradientReport
from funclearn._signatures import with_key
from funclearn._types import (
    Batch,
    GradientMethod,
    Objective,
    Params,
    ScalarLike,
    ValueAndGrad,
)

__all__ = [
    "GradientReport",
    "GradientsUndecided",
    "autodiff",
    "compare",
    "finite_difference",
    "given",
]

if TYPE_CHECKING:
    from funclearn._comparison.compare import GradientsUndecided, compare


def __getattr__(name: str) -> Any:
    """Imports the comparison on demand: it brings parts of JAX that no run needs."""
    if name in ("GradientsUndecided", "compare"):
        return getattr(import_module("funclearn._comparison.compare"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# Coordinates whose differences are taken side by side: enough to fill the machine,
# few enough that the copies of the parameters stay small.
_COORDINATES_AT_ONCE = 16


def autodiff(objective: Objective) -> ValueAndGrad:
    """The gradient by reverse-mode automatic differentiation, `jax.value_and_grad`.

    Args:
        objective: `(params, batch, key) -> scalar`.

    Returns:
        `value_and_grad(params, batch, key) -> (loss, grads)`, exact to rounding.

    Raises:
        TypeError: when called, if a parameter is not floating-point.
    """

    def value_and_grad(params: Params, batch: Batch, key: Any) -> tuple[Any, Params]:
        check_floating("params", params)
        return jax.value_and_grad(objective)(params, batch, key)

    return value_and_grad


def finite_difference(*, step: ScalarLike | None = None) -> GradientMethod:
    """The gradient by central differences, one coordinate of one leaf at a time.

        dL/dp ≈ (L(p + h) - L(p - h)) / 2h

    For n parameters it costs 2n evaluations of the objective. Its truncation error
    falls with h² and its rounding error grows with 1/h.

    Args:
        step: h, in the unit of the parameters. None takes ∛ε · max(1, |p|) for every
            coordinate, ε being the spacing of the dtype at 1: the step at which the
            two errors are of one size for functions that vary on the scale of 1.

    Returns:
        A gradient method, `objective -> value_and_grad`.

    Raises:
        ValueError: if `step` is not positive; when called, if the objective does not
            return a scalar.

    References:
        Press et al., Numerical Recipes, 3rd edition, section 5.7.
    """
    if is_static_number(step) and not step > 0:
        raise ValueError(f"step must be positive; got {step}.")

    def method(objective: Objective) -> ValueAndGrad:
        def value_and_grad(params, batch, key):
            check_floating("params", params)
            leaves, structure = jax.tree.flatten(params)

            def differences(position: int) -> Array:
                def loss(leaf: Array) -> Array:
                    moved = [*leaves[:position], leaf, *leaves[position + 1 :]]
                    return objective(structure.unflatten(moved), batch, key)

                return _central_differences(loss, jnp.asarray(leaves[position]), step)

            value = objective(params, batch, key)
            if jnp.shape(value):
                raise ValueError(
                    f"objective must return a scalar; got shape {jnp.shape(value)}."
                )
            grads = [differences(position) for position in range(len(leaves))]
            return value, structure.unflatten(grads)

        return value_and_grad

    return method


def _central_differences(
    loss: Callable[[Array], Array], leaf: Array, step: ScalarLike | None
) -> Array:
    if leaf.size == 0:
        return leaf
    flat = leaf.ravel()
    if step is None:
        steps = jnp.finfo(leaf.dtype).eps ** (1 / 3) * jnp.maximum(1, jnp.abs(flat))
    else:
        steps = jnp.full_like(flat, step)

    def difference(index: Array) -> Array:
        above = flat.at[index].add(steps[index])
        below = flat.at[index].add(-steps[index])
        # The parameters are rounded: divide by the distance that they really moved.
        distance = above[index] - below[index]
        rise = loss(above.reshape(leaf.shape)) - loss(below.reshape(leaf.shape))
        return (rise / distance).astype(leaf.dtype)

    indices = jnp.arange(flat.size)
    slopes = jax.lax.map(difference, indices, batch_size=_COORDINATES_AT_ONCE)
    return slopes.reshape(leaf.shape)


def given(closed_form: Callable[..., Params]) -> GradientMethod:
    """The gradient by a formula: `closed_form(params, batch)` is it.

    Args:
        closed_form: `(params, batch) -> grads`, or `(params, batch, key) -> grads`
            for objectives that draw; grads has the structure of params.

    Returns:
        A gradient method, `objective -> value_and_grad`; the loss is the objective's.

    Raises:
        ValueError: when called, if the gradient's structure or a shape is not that
            of the parameters.
    """
    gradient = with_key(closed_form)

    def method(objective: Objective) -> ValueAndGrad:
        def value_and_grad(params, batch, key):
            check_floating("params", params)
            grads = gradient(params, batch, key)
            check_same_structure(
                "closed_form(...)", grads, params, "the parameters", dtypes=False
            )
            grads = jax.tree.map(
                lambda grad, leaf: jnp.asarray(grad, jnp.result_type(leaf)),
                grads,
                params,
            )
            return objective(params, batch, key), grads

        return value_and_grad

    return method
