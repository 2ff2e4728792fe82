"""What the gradient costs, and what nudging one weight at a time would."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import funclearn as fl
from experiments.seven_steps.chapter import loss


class Price(NamedTuple):
    """What two ways to the gradient cost, in losses, and how far they are apart."""

    weights: int
    gradient: float
    nudging: int
    difference: float


def price(count: int) -> Price:
    """Counts what the gradient of this many weights costs in either way."""
    calls: list[object] = []

    def counted(weights: jax.Array, batch: object, key: object) -> jax.Array:
        jax.debug.callback(calls.append, weights[0])
        return loss(weights)

    @jax.jit
    def difference() -> jax.Array:
        weights = jnp.linspace(1.0, 2.0, count)
        gradient = jax.grad(loss)(weights)
        nudging = fl.gradients.finite_difference(step=0.1)(counted)
        _, nudged = nudging(weights, None, None)
        return jnp.linalg.norm(nudged - gradient) / jnp.linalg.norm(gradient)

    error = difference().item()
    jax.effects_barrier()
    gradient = operations(jax.value_and_grad(loss), count) / operations(loss, count)
    return Price(count, gradient, len(calls), error)


def operations(function: Callable[[jax.Array], object], count: int) -> float:
    """The floating-point operations of a function of this many weights."""
    weights = jax.ShapeDtypeStruct((count,), jnp.float32)
    analysis: Any = jax.jit(function).lower(weights).cost_analysis()
    return analysis["flops"]
