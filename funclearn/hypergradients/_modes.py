"""Forwards for few numbers, backwards for many."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from funclearn import _jaxprs
from funclearn._arrays import is_floating
from funclearn._types import Scalar
from funclearn._words import described

__all__ = ["Derivative", "Mode", "checkpointed", "derivative", "scalar"]

Mode: TypeAlias = Literal["forward", "reverse"]
"""Which way the chain rule goes through the run."""

# Forward mode took 0.2 to 0.7 times as long as reverse mode by one number, 0.9 to 3.3
# by four and 0.6 to 2.7 by eight, on four models (`python -m
# benchmarks.hypergradients`).
_FEW = 4

_REFUSALS = (NotImplementedError, TypeError, ValueError)
"""What JAX raises where there is no derivative of one mode."""


class Derivative(NamedTuple):
    """A run's value, its derivatives, and how they were found."""

    value: Scalar
    slopes: PyTree
    mode: Mode
    reason: str


def checkpointed(run: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """The same run, whose reverse mode needs memory for √n of its n steps.

    Every loop of sixteen steps or more, also within calls, branches and other loops, is
    cut into about √n segments. Reverse mode keeps the state before each of them, and
    computes the steps of one segment again when it comes back to it. `hypergradient`
    does so by itself; this is for a `jax.grad` of your own.

    Through 5000 epochs of `models.wide_net` on 32 rows reverse mode needed 24 MiB in
    place of 1.6 GiB, and 0.4 times the time: less memory is to be written and read
    (`python -m benchmarks.hypergradients`).

    Args:
        run: any function of pytrees of arrays that JAX can trace.

    Returns:
        A function of the same arguments, with the same values.

    Example:
        >>> def run(rate):
        ...     return jax.lax.fori_loop(0, 1000, lambda _, x: x - rate * x, 1.0)
        >>> print(f"{jax.grad(fl.hypergradients.checkpointed(run))(1e-3):.1f}")
        -368.1
    """
    return _jaxprs.in_segments(run)


def derivative(
    run: Callable[[PyTree], Scalar], point: PyTree, count: int, mode: Mode | None
) -> Derivative:
    """Differentiates a run by all that it is given.

    Args:
        run: of one pytree of floating-point arrays.
        point: where.
        count: how many numbers there are in it.
        mode: which way; None takes the cheaper one, or the only one that there is.

    Raises:
        ValueError: if there is no derivative of the mode that was asked for.
    """
    few = count <= _FEW
    numbers = "one number" if count == 1 else f"{count} numbers"
    wanted: Mode = mode or ("forward" if few else "reverse")
    if mode:
        reason = f"{numbers}, as asked for"
    else:
        reason = f"{numbers}, and {'up to' if few else 'above'} {_FEW} it is cheaper"
    try:
        return Derivative(*_WAYS[wanted](run, point), wanted, reason)
    except _REFUSALS as error:
        other: Mode = "reverse" if wanted == "forward" else "forward"
        # A run that fails by itself is to say so.
        jax.eval_shape(run, point)
        why = str(error).splitlines()[0]
        if mode:
            raise ValueError(
                f"mode must be {other!r} for this run, of which JAX has no derivative "
                f"in {mode} mode: {why}"
            ) from error
        reason = f"{numbers}; the run has no derivative in {wanted} mode: {why}"
        try:
            return Derivative(*_WAYS[other](run, point), other, reason)
        except _REFUSALS:
            raise error from None


def scalar(value: Any) -> Array:
    """What a run returned, if it is a number that has derivatives.

    Raises:
        TypeError: if it is none.
        ValueError: if it has a shape.
    """
    if not is_floating(value):
        raise TypeError(
            "run must return a floating-point scalar, such as a validation loss; got "
            f"{described(value)}."
        )
    if jnp.shape(value):
        raise ValueError(
            f"run must return a scalar, such as a validation loss; got shape "
            f"{jnp.shape(value)}."
        )
    return jnp.asarray(value)


def _forward(run: Callable[[PyTree], Array], point: PyTree) -> tuple[Array, PyTree]:
    leaves, structure = jax.tree.flatten(point)
    sizes = [np.size(leaf) for leaf in leaves]

    def along(tangents: list[Array]) -> tuple[Array, Array]:
        return jax.jvp(run, (point,), (jax.tree.unflatten(structure, tangents),))

    if sum(sizes) == 1:
        # Mapped over one direction, a loop would be another and slower one.
        value, slope = along([jnp.ones_like(leaf) for leaf in leaves])
        slopes = slope[None]
    else:
        unit = np.eye(sum(sizes))
        parts = np.split(unit, np.cumsum(sizes)[:-1], axis=1)
        directions = [
            jnp.asarray(part.reshape(-1, *np.shape(leaf)), jnp.result_type(leaf))
            for part, leaf in zip(parts, leaves, strict=True)
        ]
        value, slopes = _along_all(along, directions)
    ends = np.cumsum(sizes)[:-1]
    found = [
        jnp.reshape(part, np.shape(leaf)).astype(jnp.result_type(leaf))
        for part, leaf in zip(jnp.split(slopes, ends), leaves, strict=True)
    ]
    return value, jax.tree.unflatten(structure, found)


def _along_all(
    along: Callable[[list[Array]], tuple[Array, Array]], directions: list[Array]
) -> tuple[Array, Array]:
    try:
        return jax.vmap(along, out_axes=(None, 0))(directions)
    except NotImplementedError:
        # A line search cannot be mapped over directions of one run.
        values, slopes = jax.lax.map(along, directions)
        return values[0], slopes


def _reverse(run: Callable[[PyTree], Array], point: PyTree) -> tuple[Array, PyTree]:
    return jax.value_and_grad(checkpointed(run))(point)


_WAYS: dict[Mode, Callable[..., tuple[Array, PyTree]]] = {
    "forward": _forward,
    "reverse": _reverse,
}
