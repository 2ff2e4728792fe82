"""Fits a model to the columns of a CSV file, by default of one that comes with it.

    python -m experiments.fit_csv --csv FILE --target COLUMN --model linear

The rows are split at random, the columns standardised with the numbers of the training
part, and the mean squared error minimised. Losses, predictions and the parameters of a
linear model are in the units of the file.

The file that comes with it is made up: 120 days of a house whose heating power is

    8 kW - 0.3 kW/°C · outdoor temperature
         + 0.15 kW/(m/s) · wind speed - 0.004 kW/(W/m²) · sunlight

and a normal error of 0.3 kW. A linear fit should find about these numbers again.
"""

import csv
import dataclasses
import textwrap
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import funclearn as fl
from experiments import _style
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch
from funclearn import plots

SOURCES = ("Chapter notes: the mechanics of learning",)

HEATING = Path(__file__).parent / "data" / "heating.csv"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    csv: Path | None = None
    """File of comma-separated numbers; by default the one about heating."""
    header: bool = True
    """Whether the file's first line names its columns."""
    target: str = "heating power (kW)"
    """Column to predict: its name, or its position from 0 where there is no header."""
    inputs: tuple[str, ...] = ()
    """Columns to predict from, likewise; by default all others."""
    model: Literal["linear", "polynomial", "mlp"] = "linear"
    """A linear model, a polynomial of one input, or a multi-layer perceptron."""
    degree: int = 3
    """Degree of the polynomial."""
    widths: tuple[int, ...] = (16, 16)
    """Widths of the perceptron's hidden layers."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """How gradients become steps."""
    learning_rate: float = 0.01
    """Learning rate, for standardised columns."""
    epochs: int = 2000
    """Number of epochs."""
    batch_size: int | None = None
    """Rows a step; by default all of them."""
    validation_fraction: float = 0.2
    """Part of the rows that is kept out of training."""
    seed: int = 0
    """Seed of the split, the initial parameters and the order of batches."""


class Side(NamedTuple):
    """The training or the validation part, in the units of the file.

    Attributes:
        inputs: `(rows, columns)`.
        targets: `(rows,)`.
        predictions: `(rows,)`, by the trained model.
        losses: `(epochs,)`, the mean squared error before every epoch.
    """

    inputs: Any
    targets: Any
    predictions: Any
    losses: Any

    def error(self) -> float:
        """The mean squared error of the trained model."""
        residuals = np.subtract(self.targets, self.predictions, dtype=float)
        return float(np.mean(residuals**2))

    def r_squared(self) -> float:
        """R², the part of the targets' variance that the model explains."""
        variance = np.var(self.targets, dtype=float)
        return float(1 - self.error() / variance) if variance else np.nan


class Fit(NamedTuple):
    """What training found, in the units of the file.

    Attributes:
        sides: "training" and "validation" -> that part of the data.
        line: the parameters, if the model is linear.
        curve: inputs and predictions, if there is one column of inputs.
    """

    sides: dict[str, Side]
    line: fl.models.LinearParams | None
    curve: tuple[Any, Any] | None


def read(config: Config) -> tuple[fl.Dataset, tuple[str, ...]]:
    """Reads inputs `(rows, columns)`, targets `(rows,)` and the inputs' names."""
    path = config.csv or HEATING

    def column(text: str) -> str | int:
        return int(text) if text.isdecimal() and not config.header else text

    data = fl.data.read_csv(
        path,
        target=column(config.target),
        inputs=[column(text) for text in config.inputs] or None,
        header=config.header,
    )
    with open(path, newline="", encoding="utf-8-sig") as file:
        first = next(row for row in csv.reader(file) if "".join(row).strip())
    names = [text.strip() for text in first] if config.header else range(len(first))
    others = (str(name) for name in names if str(name) != config.target)
    return data, config.inputs or tuple(others)


def make_model(config: Config, columns: int) -> fl.Model:
    """Makes a model of inputs `(rows, columns)` and predictions `(rows,)`."""
    if config.model == "linear":
        return fl.models.affine(columns)
    if config.model == "mlp":
        network = fl.models.mlp((columns, *config.widths, 1))
        return fl.Model(network.init, lambda params, x: network.apply(params, x)[:, 0])
    if columns > 1:
        raise ValueError(f"a polynomial has one column of inputs; got {columns}.")
    powers = fl.models.polynomial(config.degree)
    return fl.Model(powers.init, lambda params, x: powers.apply(params, x[:, 0]))


@partial(jax.jit, static_argnames="config")
def train(data: fl.Dataset, config: Config) -> Fit:
    """Splits, standardises, trains and predicts: one compiled function."""
    split_key, init_key, run_key = jax.random.split(jax.random.key(config.seed), 3)
    training, validation = fl.data.split(split_key, data, config.validation_fraction)
    scaled, scaler = fl.data.standardise(training, targets=True)
    columns = data.inputs.shape[1]
    model = make_model(config, columns)
    optimizer = getattr(optax, config.optimizer)(config.learning_rate)
    run = fl.fit(
        fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer),
        fl.init_state(run_key, model.init(init_key), optimizer),
        scaled,
        scaler(validation),
        epochs=config.epochs,
        batch_size=config.batch_size,
        evaluate=fl.make_evaluation(model, fl.losses.mse),
    )

    def predict(data: fl.Dataset) -> jax.Array:
        scaled = model.apply(run.state.params, scaler(data).inputs)
        return scaler.unscale_predictions(scaled)

    def side(data: fl.Dataset, losses: jax.Array) -> Side:
        return Side(*data, predict(data), losses * scaler.target_scale**2)

    grid = jnp.linspace(jnp.min(data.inputs), jnp.max(data.inputs), 201)
    return Fit(
        sides={
            "training": side(training, run.history.loss),
            "validation": side(validation, run.history.evaluation),
        },
        line=scaler.unscale(run.state.params) if config.model == "linear" else None,
        curve=(grid, predict(fl.Dataset(grid[:, None], grid)))
        if columns == 1
        else None,
    )


def run(config: Config) -> Outcome:
    """Reads, fits, and says how well.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if a column or a cell is not as it must be, or training diverged.
    """
    data, inputs = read(config)
    fit: Fit = jax.device_get(train(data, config))
    training, validation = fit.sides["training"], fit.sides["validation"]
    if not np.isfinite(training.predictions).all():
        raise ValueError(
            f"training diverged; learning_rate must be below {config.learning_rate}."
        )
    target, *names = (
        name if config.header else f"column {name}" for name in (config.target, *inputs)
    )
    return Outcome(
        tables=(
            Table(
                f"Errors in {target}",
                ("Part", "Rows", "Mean squared error", "Its square root", "R²"),
                tuple(
                    (name, len(s.targets), s.error(), s.error() ** 0.5, s.r_squared())
                    for name, s in fit.sides.items()
                ),
            ),
            *([_line_table(fit.line, names, target)] if fit.line else []),
        ),
        plots={
            "fit": Plot(
                "Training and validation rows, and what the model makes of them.",
                partial(_draw_fit, fit, names, target),
            ),
            "residuals": Plot(
                "What the model leaves unexplained, row by row; a good one leaves no "
                "pattern.",
                partial(_draw_residuals, fit.sides, target),
            ),
            "losses": Plot(
                "Both losses before every epoch; the validation rows train nothing.",
                partial(_draw_losses, fit.sides),
            ),
        },
        history={f"{name} loss": s.losses for name, s in fit.sides.items()},
        findings=(
            f"R² is {training.r_squared():.4f} on {len(training.targets)} rows that "
            f"trained the model, {validation.r_squared():.4f} on "
            f"{len(validation.targets)} that did not.",
        ),
    )


def _line_table(line: fl.models.LinearParams, names: list[str], target: str) -> Table:
    rows = (
        *(
            (name, f"{target} per {name}", w)
            for name, w in zip(names, line.weight, strict=True)
        ),
        ("bias", target, line.bias),
    )
    return Table("Parameters in the units of the file", ("Of", "Unit", "Value"), rows)


def _draw_fit(fit: Fit, names: list[str], target: str) -> Figure:
    figure = Figure(figsize=(5.2, 4))
    axes = figure.subplots()
    for (name, side), marker in zip(fit.sides.items(), "os", strict=True):
        x, y = side.inputs[:, 0], side.targets
        if not fit.curve:
            x, y = side.targets, side.predictions
        axes.plot(x, y, marker, label=name)
    if fit.curve:
        axes.plot(*fit.curve, label="model")
        _label(axes, names[0], target)
    else:
        mean = fit.sides["training"].targets.mean()
        axes.axline((mean, mean), slope=1, color=_style.GREY, label="exact")
        _label(axes, f"Measured {target}", f"Predicted {target}")
    axes.set_title(
        f"R² = {fit.sides['validation'].r_squared():.3f} on rows never trained on"
    )
    axes.legend()
    return figure


def _draw_residuals(sides: dict[str, Side], target: str) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    for (name, side), marker in zip(sides.items(), "os", strict=True):
        points, _ = plots.residuals(axes, side.predictions, side.targets)
        points.set(label=name, marker=marker)
    _label(axes, f"Predicted {target}", f"Measured - predicted {target}")
    error = sides["validation"].error() ** 0.5
    axes.set_title(f"Predictions for new rows are off by about {error:.3g}")
    axes.legend()
    return figure


def _draw_losses(sides: dict[str, Side]) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    plots.learning_curves(axes, {name: side.losses for name, side in sides.items()})
    ends = (f"{side.error():.3g} in {name}" for name, side in sides.items())
    axes.set(
        title="The loss ends at " + ",\nat ".join(ends),
        ylabel="Mean squared error",
    )
    return figure


def _label(axes: Axes, x: str, y: str) -> None:
    # A file's own names are no formulas, whatever dollar signs they hold.
    axes.set_xlabel(textwrap.fill(x, 60), parse_math=False)
    axes.set_ylabel(textwrap.fill(y, 40), parse_math=False)


if __name__ == "__main__":
    launch(run, Config)
