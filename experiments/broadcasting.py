"""What broadcasting does to shapes, and silently to a loss.

Arrays of unlike shapes can be added and multiplied: three rules say which entry meets
which. They save loops, and they hide a trap. Targets in a column, `(n, 1)`, taken from
predictions in a vector, `(n,)`, give all n² differences instead of n.

The mean of their squares is a number like any other and falls under gradient descent.
It is smallest where every prediction is the mean of all targets, so the thermometer's
line comes out flat, and no error says so. The losses of this library refuse unequal
shapes before anything is subtracted.
"""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import funclearn as fl
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch
from funclearn import plots
from funclearn.models import LinearParams, linear

SOURCES = ("Reading notes on the book", "Deep Learning with PyTorch, chapter 5")

Shape = tuple[int, ...]

RULES: dict[str, list[Shape]] = {
    "Axes are matched from the last; a size of 1 is repeated": [(3, 1), (1, 3)],
    "Two sizes above 1 must be equal": [(2, 3), (2, 4)],
    "An axis that one array lacks repeats that array": [(3, 1), (2, 1, 1)],
}
PRODUCTS: dict[str, dict[str, Shape]] = {
    "broadcast-xxy": {"x": (1,), "y": (3, 1)},
    "broadcast-yxz": {"y": (3, 1), "z": (1, 3)},
    "broadcast-yxzxa": {"y": (3, 1), "z": (1, 3), "a": (2, 1, 1)},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    epochs: int = 5000
    """Number of epochs of both fits."""
    learning_rate: float = 1e-2
    """Learning rate of both fits."""
    input_scale: float = 10.0
    """What the thermometer's readings are divided by."""


def careless_mse(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """The mean squared error of whatever broadcasts."""
    return jnp.mean((predictions - targets) ** 2)


@partial(jax.jit, static_argnames=("loss", "epochs"))
def train(
    data: fl.Dataset, learning_rate: float, loss: Callable[..., Any], epochs: int
) -> tuple[LinearParams, jax.Array]:
    """Fits a line by gradient descent from w = 1, b = 0; returns it and the losses."""
    optimizer = optax.sgd(learning_rate)
    step = fl.make_train_step(fl.make_objective(linear, loss), optimizer)
    start = LinearParams(weight=jnp.asarray(1.0), bias=jnp.asarray(0.0))
    state = fl.init_state(jax.random.key(0), start, optimizer)
    run = fl.fit(step, state, data, epochs=epochs)
    return run.state.params, run.history.loss


def run(config: Config) -> Outcome:
    """Applies the rules to shapes, to a loss, and to the line fitted with that loss."""
    if config.epochs < 1:
        raise ValueError(f"epochs must be at least 1; got {config.epochs}.")
    data = fl.data.Scaler(input_scale=config.input_scale)(fl.data.thermometer())
    column = data._replace(targets=data.targets[:, None])
    fit = partial(train, learning_rate=config.learning_rate, epochs=config.epochs)
    # The trap is shown even to those whose settings forbid it.
    with jax.numpy_rank_promotion("allow"):
        products = {name: _product(*PRODUCTS[name].values()) for name in PRODUCTS}
        rules = tuple((rule, *_explain(shapes)) for rule, shapes in RULES.items())
        losses = tuple(_losses(data))
        fits = {
            f"{data.targets.shape}": jax.device_get(fit(data, loss=fl.losses.mse)),
            f"{column.targets.shape}": jax.device_get(fit(column, loss=careless_mse)),
        }
    lines = {targets: line for targets, (line, _) in fits.items()}
    good, trapped = (losses[index][3] for index in (0, 1))
    return Outcome(
        computed=products,
        tables=(
            Table("The three rules", ("Rule", "Shapes", "Shape of the product"), rules),
            Table(
                "Products",
                ("Factors", "Shape"),
                tuple(
                    (_listed(PRODUCTS[name]), str(products[name])) for name in PRODUCTS
                ),
            ),
            Table(
                "One loss at w = 1, b = 0, by the shapes of predictions and targets",
                (
                    *("Predictions", "Targets", "Differences", "Loss (°C²)"),
                    *("With rank promotion forbidden", "By funclearn.losses.mse"),
                ),
                losses,
            ),
            Table(
                f"Lines after {config.epochs} epochs",
                ("Targets", "w", "b", "First loss (°C²)", "Last loss (°C²)"),
                tuple(
                    (targets, *line, curve[0], curve[-1])
                    for targets, (line, curve) in fits.items()
                ),
            ),
        ),
        plots={
            "differences": Plot(
                "Squared differences between what the right line predicts and all "
                "targets, both in order of temperature. A loss is about the framed.",
                partial(_draw_differences, data, lines[f"{data.targets.shape}"]),
            ),
            "lines": Plot(
                "Two fits that differ in the shape of the targets alone.",
                partial(_draw_lines, data, lines),
            ),
        },
        findings=(
            f"Predictions {data.inputs.shape} and targets {column.targets.shape} turn "
            f"a loss of {good:.2f} °C² into one of {trapped:.2f} °C².",
            f"funclearn.losses.mse says: {_refusal(fl.losses.mse, *column)}",
        ),
    )


def _product(*shapes: Shape) -> Shape:
    return jax.eval_shape(lambda: reduce(jnp.multiply, map(jnp.ones, shapes))).shape


def _explain(shapes: list[Shape]) -> tuple[str, str]:
    refusal = _refusal(jnp.multiply, *map(np.ones, shapes))
    return " and ".join(map(str, shapes)), refusal or str(_product(*shapes))


def _listed(factors: dict[str, Shape]) -> str:
    return " · ".join(f"{name} {shape}" for name, shape in factors.items())


def _refusal(function: Callable[..., Any], *arrays: Any) -> str | None:
    """The message with which a function refuses arrays of these shapes."""
    try:
        jax.eval_shape(function, *arrays)
    except (TypeError, ValueError) as error:
        return str(error)
    return None


def _losses(data: fl.Dataset) -> Iterator[tuple[Any, ...]]:
    vector, column, row = (-1,), (-1, 1), (1, -1)
    pairs = [(vector, vector), (vector, column), (column, row), (column, column)]
    for shapes in pairs:
        predictions, targets = map(np.reshape, jax.device_get(data), shapes)
        with jax.numpy_rank_promotion("raise"):
            strict = _refusal(careless_mse, predictions, targets)
        yield (
            str(predictions.shape),
            str(targets.shape),
            str(_product(predictions.shape, targets.shape)),
            jax.jit(careless_mse)(predictions, targets).item(),
            "refused" if strict else "accepted",
            "refused" if _refusal(fl.losses.mse, predictions, targets) else "accepted",
        )


def _draw_differences(data: fl.Dataset, line: LinearParams) -> Figure:
    figure = Figure(figsize=(5.2, 4.4))
    axes = figure.subplots()
    inputs, targets = jax.device_get(data)
    order = np.argsort(targets)
    targets, predictions = targets[order], line.weight * inputs[order] + line.bias
    squares = np.square(predictions - targets[:, None])
    cells = axes.pcolormesh(squares, edgecolors="face")
    for index in range(len(order)):
        frame = Rectangle((index, index), 1, 1, fill=False, edgecolor="white", lw=1.5)
        axes.add_patch(frame)
    figure.colorbar(cells, label="Squared difference (°C²)")
    places = np.arange(len(order)) + 0.5
    axes.set_xticks(places, [f"{value:.0f}" for value in predictions])
    axes.set_yticks(places, [f"{value:.0f}" for value in targets])
    axes.set(
        title=f"The loss is about the {len(order)} framed: "
        f"{np.diag(squares).mean():.1f} °C².\n"
        f"Broadcast, it averages all {squares.size}: {squares.mean():.0f} °C².",
        xlabel="Prediction (°C)",
        ylabel="Target (°C)",
        aspect="equal",
    )
    axes.grid(visible=False)
    return figure


def _draw_lines(data: fl.Dataset, lines: dict[str, LinearParams]) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    predictors = {
        f"targets {shape}: w = {line.weight:.2f}, b = {line.bias:.2f}": partial(
            linear.apply, line
        )
        for shape, line in lines.items()
    }
    plots.fit(axes, data, predictors)
    axes.set(
        title="Targets in a column flatten the line,\nand no error says so",
        xlabel="Reading (tens of an unknown unit)",
        ylabel="Temperature (°C)",
    )
    return figure


if __name__ == "__main__":
    launch(run, Config)
