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
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from experiments import _style
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch

SOURCES = ("Neuromatch, Gradient Descent and AutoGrad",)

_STEEPNESS = 10.0  # of an arrow that is one unit long


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    seed: int = 0
    """Seed of the points at which the two gradients are compared."""
    points: int = 100
    """Number of these points."""
    reach: float = 2.0
    """Largest x and y of points and arrows."""
    spacing: float = 0.4
    """Distance between the arrows."""
    at: tuple[float, float] = (0.8, 0.5)
    """Point from which to step in all directions."""
    step: float = 0.01
    """Length of these steps."""


def height(point: jax.Array) -> jax.Array:
    """The function, z = sin(x² + y²)."""
    x, y = point
    return jnp.sin(x**2 + y**2)


def by_hand(point: jax.Array) -> jax.Array:
    """Its gradient by the chain rule, (2 x cos(x² + y²), 2 y cos(x² + y²))."""
    x, y = point
    return jnp.stack([2 * x * jnp.cos(x**2 + y**2), 2 * y * jnp.cos(x**2 + y**2)])


by_autodiff = jax.grad(height)


@jax.jit
def gradients(points: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Both gradients at many points `(n, 2)`."""
    return jax.vmap(by_hand)(points), jax.vmap(by_autodiff)(points)


@jax.jit
def rises(start: jax.Array, angles: jax.Array, step: float) -> jax.Array:
    """How much height small steps in these directions gain, per unit of length."""
    directions = jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=1)
    ends = start[None, :] + step * directions
    return (jax.vmap(height)(ends) - height(start)) / step


def run(config: Config) -> Outcome:
    """Compares both gradients, draws them as arrows, and steps in all directions."""
    key, reach = jax.random.key(config.seed), config.reach
    # In double precision the formulas are compared, and not their rounding.
    with jax.enable_x64(True):
        points = jax.random.uniform(
            key, (config.points, 2), minval=-reach, maxval=reach
        )
        hand, autodiff = map(np.asarray, gradients(points))
    difference = np.max(np.abs(hand - autodiff))

    start = np.asarray(config.at)
    degrees = np.arange(361)
    rise = np.asarray(rises(start, np.radians(degrees), config.step))
    gradient = np.asarray(gradients(start[None, :])[1][0])
    uphill = float(np.degrees(np.arctan2(*gradient[::-1]))) % 360
    return Outcome(
        computed={"sine-gradient": difference},
        tables=(
            Table(
                "The gradient at the first drawn points",
                ("Point (x, y)", "By hand", "By automatic differentiation"),
                tuple(zip(points[:5].tolist(), hand[:5], autodiff[:5], strict=True)),
            ),
        ),
        plots={
            "arrows": Plot(
                "Arrows are gradients by hand; the dots are where those by automatic "
                "differentiation end.",
                partial(_draw_arrows, config),
            ),
            "directions": Plot(
                f"Steps of length {config.step:g} from {config.at} in all directions.",
                partial(_draw_directions, degrees, rise, uphill),
            ),
        },
        findings=(
            f"At {config.points} drawn points the formula and automatic "
            f"differentiation are at most {difference:.1e} apart.",
            f"Around {config.at} z rises fastest towards {degrees[np.argmax(rise)]}°, "
            f"by {np.max(rise):.3f} per unit of length; the gradient points to "
            f"{uphill:.1f}° and is {np.hypot(*gradient):.3f} long.",
        ),
    )


def _draw_arrows(config: Config) -> Figure:
    figure = Figure(figsize=(5.2, 4.4))
    axes = figure.subplots()
    edge = np.linspace(-1.25 * config.reach, 1.25 * config.reach, 101)
    heights = height(jnp.asarray(np.meshgrid(edge, edge)))
    filled = axes.contourf(edge, edge, heights, levels=10)
    coordinates = np.arange(-config.reach, config.reach + 1e-9, config.spacing)
    tails = np.stack(np.meshgrid(coordinates, coordinates), axis=-1).reshape(-1, 2)
    hand, autodiff = map(np.asarray, gradients(tails))
    ends = tails + autodiff / _STEEPNESS
    axes.quiver(
        *tails.T,
        *hand.T,
        angles="xy",
        scale_units="xy",
        scale=_STEEPNESS,
        color="white",
        edgecolor="black",
        linewidth=0.4,
        width=0.008,
    )
    axes.plot(*ends.T, "o", color="black", markersize=2)
    figure.colorbar(filled, label="Height z")
    axes.set(
        title="Gradients point uphill,\nstraight across the contours",
        xlabel="x",
        ylabel="y",
        xlim=edge[[0, -1]],
        ylim=edge[[0, -1]],
        aspect="equal",
    )
    axes.grid(visible=False)
    return figure


def _draw_directions(degrees: np.ndarray, rise: np.ndarray, uphill: float) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    axes.plot(degrees, rise)
    downhill = (uphill + 180) % 360
    for name, angle in {"gradient": uphill, "opposite": downhill}.items():
        axes.axvline(angle, color=_style.VERMILLION, linestyle="--")
        axes.text(angle + 5, 0, name)
    axes.set(
        title="No direction is steeper than the gradient's",
        xlabel="Direction of the step (degrees from the x axis)",
        ylabel="Rise of z per unit of length",
        xticks=np.arange(0, 361, 45),
    )
    return figure


if __name__ == "__main__":
    launch(run, Config)
