"""The gradient points to where a function rises fastest.

The function has one value for every point of the plane, and its gradient by the chain
rule is

    z = sin(x² + y²)        (2 x cos(x² + y²), 2 y cos(x² + y²))

Drawn as arrows on a map of z, gradients stand at right angles to the lines of equal
height and point uphill; they are long where it is steep. Automatic differentiation
finds the same arrows from the function alone. Of all directions the gradient's is the
steepest, as small steps all around a point show; gradient descent takes the opposite.
"""

import dataclasses
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

import funclearn as fl
from experiments.harness import Count, Range, Seed, Settings

SOURCES = ("Neuromatch, Gradient Descent and AutoGrad",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    seed: Seed = 0
    """Seed of the points at which the two gradients are compared."""
    points: Count = 100
    """Number of these points."""
    reach: Annotated[float, Range(0.1, 10)] = 2.0
    """Largest x and y of points and arrows."""
    spacing: Annotated[float, Range(0.05, 10)] = 0.4
    """Distance between the arrows."""
    at: Annotated[tuple[float, float], Range(-100, 100)] = (0.8, 0.5)
    """Point from which to step in all directions."""
    step: Annotated[float, Range(0.001, 1)] = 0.01
    """Length of these steps."""


def height(point: jax.Array) -> jax.Array:
    """The function, z = sin(x² + y²)."""
    x, y = point
    return jnp.sin(x**2 + y**2)


def by_hand(point: jax.Array) -> jax.Array:
    """Its gradient by the chain rule, (2 x cos(x² + y²), 2 y cos(x² + y²))."""
    return jnp.stack(fl.analytic.sine_of_squares(*point))


by_autodiff = jax.grad(height)


@jax.jit
def gradients(points: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Both gradients at many points `(n, 2)`."""
    points = jnp.asarray(points)
    return jax.vmap(by_hand)(points), jax.vmap(by_autodiff)(points)


@jax.jit
def rises(start: ArrayLike, angles: ArrayLike, step: float) -> jax.Array:
    """How much height small steps in these directions gain, per unit of length."""
    start = jnp.asarray(start)
    directions = jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=1)
    ends = start[None, :] + step * directions
    return (jax.vmap(height)(ends) - height(start)) / step


class Result(NamedTuple):
    """What the chapter finds.

    Attributes:
        points: where the gradients are compared, `(n, 2)`.
        by_hand: the gradients there, by the formula.
        by_autodiff: the gradients there, by automatic differentiation.
        rises: what a step into every whole degree from 0 to 360 gains.
        gradient: at the point where these steps start.
        uphill: the direction of that gradient, in degrees.
    """

    points: np.ndarray
    by_hand: np.ndarray
    by_autodiff: np.ndarray
    rises: np.ndarray
    gradient: np.ndarray
    uphill: float


def study(config: Config) -> Result:
    """Compares both gradients at random points, and steps in all directions."""
    key, reach = jax.random.key(config.seed), config.reach
    # In double precision the formulas are compared, and not their rounding.
    with jax.enable_x64(True):
        points = jax.random.uniform(
            key, (config.points, 2), minval=-reach, maxval=reach
        )
        hand, autodiff = map(np.asarray, gradients(points))
    start = np.asarray(config.at)
    rise = np.asarray(rises(start, np.radians(np.arange(361)), config.step))
    gradient = np.asarray(gradients(start[None, :])[1][0])
    uphill = float(np.degrees(np.arctan2(*gradient[::-1]))) % 360
    return Result(np.asarray(points), hand, autodiff, rise, gradient, uphill)
