"""Shapes, losses and lines in tables, and the squared differences as a map."""

from collections.abc import Mapping
from functools import partial

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

import funclearn as fl
from experiments.broadcasting.chapter import (
    PRODUCTS,
    RULES,
    Config,
    Loss,
    Result,
    Shape,
    study,
)
from experiments.harness import Outcome, Plot, Table
from funclearn import plots
from funclearn.models import LinearParams, linear

# A line that rises by less than a tenth of what the readings ask for looks level.
FLAT = 0.1


def run(config: Config) -> Outcome:
    """Applies the rules to shapes, to a loss, and to the line fitted with that loss."""
    result = study(config)
    data, targets = result.data, result.data.targets.shape
    lines = {shape: fit.line for shape, fit in result.fits.items()}
    good, trapped = (loss.value for loss in result.losses[:2])
    return Outcome(
        computed=result.products,
        tables=_tables(config, result),
        plots={
            "differences": Plot(
                "Squared differences between what the line fitted to targets "
                f"{targets} predicts and all targets. Columns and rows are the "
                "readings in the order of their targets, so that a reading's "
                "prediction and its own target meet where it is framed. A loss is "
                "about the framed.",
                partial(_draw_differences, data, lines[targets]),
                size=(5.2, 4.4),
            ),
            "lines": Plot(
                "Two fits that differ in the shape of the targets alone.",
                partial(_draw_lines, data, lines),
            ),
        },
        findings=(
            f"Predictions {data.inputs.shape} and targets {(*targets, 1)} turn "
            f"a loss of {good:.2f} °C² into one of {trapped:.2f} °C².",
            f"funclearn.losses.mse says: {result.refusal}",
        ),
    )


def _tables(config: Config, result: Result) -> tuple[Table, ...]:
    return (
        Table(
            "The three rules",
            ("Rule", "Shapes", "Shape of the product"),
            tuple(
                (rule, " and ".join(map(str, RULES[rule])), shape)
                for rule, shape in result.rules.items()
            ),
        ),
        Table(
            "Products",
            ("Factors", "Shape"),
            tuple(
                (_listed(PRODUCTS[name]), str(shape))
                for name, shape in result.products.items()
            ),
        ),
        Table(
            "One loss at w = 1, b = 0, by the shapes of predictions and targets",
            (
                *("Predictions", "Targets", "Differences", "Loss (°C²)"),
                *("With rank promotion forbidden", "By funclearn.losses.mse"),
            ),
            tuple(map(_loss_row, result.losses)),
        ),
        Table(
            f"Lines after {config.epochs} epochs",
            ("Targets", "w", "b", "First loss (°C²)", "Last loss (°C²)"),
            tuple(
                (str(shape), *line, losses[0], losses[-1])
                for shape, (line, losses) in result.fits.items()
            ),
        ),
    )


def _listed(factors: Mapping[str, Shape]) -> str:
    return " · ".join(f"{name} {shape}" for name, shape in factors.items())


def _loss_row(loss: Loss) -> tuple[object, ...]:
    *shapes, value, strict, library = loss
    verdicts = ("refused" if refused else "accepted" for refused in (strict, library))
    return (*map(str, shapes), value, *verdicts)


def _draw_differences(data: fl.Dataset, line: LinearParams, axes: Axes) -> None:
    inputs, targets = jax.device_get(data)
    order = np.argsort(targets)
    targets, predictions = targets[order], line.weight * inputs[order] + line.bias
    squares = np.square(predictions - targets[:, None])
    cells = axes.pcolormesh(squares, edgecolors="face")
    for index in range(len(order)):
        frame = Rectangle((index, index), 1, 1, fill=False, edgecolor="white", lw=1.5)
        axes.add_patch(frame)
    axes.figure.colorbar(cells, label="Squared difference (°C²)")
    places = np.arange(len(order)) + 0.5
    axes.set_xticks(places, [f"{value:.3g}" for value in predictions], rotation=90)
    axes.set_yticks(places, [f"{value:.3g}" for value in targets])
    axes.set(
        title=f"The loss is about the {len(order)} framed: "
        f"{np.diag(squares).mean():.1f} °C².\n"
        f"Broadcast, it averages all {squares.size}: {squares.mean():.0f} °C².",
        xlabel="Prediction for a reading (°C)",
        ylabel="Target of a reading (°C)",
        aspect="equal",
    )
    axes.grid(visible=False)


def _draw_lines(
    data: fl.Dataset, lines: Mapping[Shape, LinearParams], axes: Axes
) -> None:
    right, trapped = (abs(line.weight) for line in lines.values())
    flattened = trapped < FLAT * right
    predictors = {
        f"targets {shape}: w = {line.weight:.2f}, b = {line.bias:.2f}": partial(
            linear.apply, line
        )
        for shape, line in lines.items()
    }
    plots.fit(axes, data, predictors)
    axes.set(
        title=f"Targets in a column {'flatten' if flattened else 'change'} the line,\n"
        "and no error says so",
        xlabel="Reading (tens of an unknown unit)",
        ylabel="Temperature (°C)",
    )
