"""Autodiff, finite differences and closed forms as one type of function."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from funclearn._checks import check_floating, check_positive, check_same_structure
from funclearn._signatures import with_key
from funclearn._types import (
    Batch,
    GradientMethod,
    Objective,
    Params,
    Scalar,
    ScalarLike,
    ValueAndGrad,
)

__all__ = ["autodiff", "finite_difference", "given"]

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

    Example:
        >>> def objective(w, batch, key):
        ...     return jnp.sum(w**2 * batch)
        >>> loss, grad = fl.gradients.autodiff(objective)(3.0, jnp.ones(2), None)
        >>> print(loss, grad)
        18.0 12.0
    """

    def value_and_grad(
        params: Params, batch: Batch, key: PyTree
    ) -> tuple[Scalar, Params]:
        check_floating("params", params)
        return jax.value_and_grad(objective)(params, batch, key)

    return value_and_grad


def finite_difference(*, step: ScalarLike | None = None) -> GradientMethod:
    """The gradient by central differences, one coordinate of one leaf at a time.

        dL/dp ≈ (L(p + h) - L(p - h)) / 2h

    For n parameters it costs 2n evaluations of the objective. Its truncation error
    falls with h² and its rounding error grows with 1/h.

    Args:
        step: h, in the unit of the parameters. None takes `∛ε · max(1, |p|)` for every
            coordinate, ε being the spacing of the dtype at 1: the step at which the
            two errors are of one size for functions that vary on the scale of 1.

    Returns:
        A gradient method, `objective -> value_and_grad`.

    Raises:
        ValueError: if `step` is not positive; when called, if the objective does not
            return a scalar.

    References:
        Press et al., Numerical Recipes, 3rd edition, section 5.7.

    Example:
        >>> def objective(w, batch, key):
        ...     return jnp.sum(w**2 * batch)
        >>> measure = fl.gradients.finite_difference(step=0.5)(objective)
        >>> loss, grad = measure(3.0, jnp.ones(2), None)  # exact on a parabola
        >>> print(loss, grad)
        18.0 12.0
    """
    check_positive("step", step)

    def method(objective: Objective) -> ValueAndGrad:
        def value_and_grad(
            params: Params, batch: Batch, key: PyTree
        ) -> tuple[Scalar, Params]:
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
        # Of bfloat16 NumPy makes float32, in which the parameters would be moved.
        share = jnp.asarray(jnp.finfo(leaf.dtype).eps ** (1 / 3), leaf.dtype)
        steps = share * jnp.maximum(1, jnp.abs(flat))
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

    Example:
        >>> def objective(w, batch, key):
        ...     return jnp.sum(w**2 * batch)
        >>> by_hand = fl.gradients.given(lambda w, batch: jnp.sum(2 * w * batch))
        >>> loss, grad = by_hand(objective)(3.0, jnp.ones(2), None)
        >>> print(loss, grad)
        18.0 12.0
    """
    gradient = with_key(closed_form)

    def method(objective: Objective) -> ValueAndGrad:
        def value_and_grad(
            params: Params, batch: Batch, key: PyTree
        ) -> tuple[Scalar, Params]:
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
