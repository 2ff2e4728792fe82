"""Gradients as arrows on a map, and how fast the function rises all around a point."""

from functools import partial

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes

from experiments.gradient_vectors.chapter import Config, gradients, height, study
from experiments.harness import Outcome, Plot, Table, number, style

_STEEPNESS = 10.0  # of an arrow that is one unit long


def run(config: Config) -> Outcome:
    """Compares both gradients, draws them as arrows, and steps in all directions."""
    points, hand, autodiff, rise, gradient, uphill = study(config)
    difference = np.max(np.abs(hand - autodiff))
    return Outcome(
        computed={"sine-gradient": difference},
        tables=(
            Table(
                "The gradient at the first random points",
                ("Point (x, y)", "By hand", "By automatic differentiation"),
                tuple(zip(points[:5].tolist(), hand[:5], autodiff[:5], strict=True)),
            ),
        ),
        plots={
            "arrows": Plot(
                "Arrows are gradients by hand; the dots are where those by automatic "
                "differentiation end.",
                partial(_draw_arrows, config),
                size=(5.2, 4.4),
            ),
            "directions": Plot(
                f"Steps of length {config.step:g} from {config.at} in all directions.",
                partial(_draw_directions, rise, uphill, config.step),
            ),
        },
        findings=(
            f"At {config.points} random points the formula and automatic "
            "differentiation "
            + (
                f"differ by at most {number(difference, 2)}."
                if difference
                else "are equal."
            ),
            f"Around {config.at} z rises fastest towards {np.argmax(rise)}°, "
            f"by {np.max(rise):.3f} per unit of length; "
            + (
                f"the gradient points to {uphill:.1f}° and is "
                f"{np.hypot(*gradient):.3f} long."
                if gradient.any()
                else "the gradient is zero there, and points nowhere."
            ),
        ),
    )


def _draw_arrows(config: Config, axes: Axes) -> None:
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
    axes.figure.colorbar(filled, label="Height z")
    axes.set(
        title="Gradients point uphill,\nstraight across the contours",
        xlabel="x",
        ylabel="y",
        xlim=edge[[0, -1]],
        ylim=edge[[0, -1]],
        aspect="equal",
    )
    axes.grid(visible=False)


def _draw_directions(rise: np.ndarray, uphill: float, step: float, axes: Axes) -> None:
    apart = abs((np.argmax(rise) - uphill + 180) % 360 - 180)
    axes.plot(np.arange(361), rise)
    downhill = (uphill + 180) % 360
    for name, angle in {"gradient": uphill, "opposite": downhill}.items():
        axes.axvline(angle, color=style.VERMILLION, linestyle="--")
        axes.text(angle + 5, 0, name)
    axes.set(
        # The steps go to whole degrees, and longer ones along a curve.
        title="No direction is steeper than the gradient's"
        if apart <= 1 + np.degrees(step)
        else "The slope of long steps, and the gradient",
        xlabel="Direction of the step (degrees from the x axis)",
        ylabel="Rise of z per unit of length",
        xticks=np.arange(0, 361, 45),
    )
