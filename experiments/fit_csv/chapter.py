"""Fits a model to the columns of a CSV file, by default of one that comes with it.

    python -m experiments.fit_csv --csv FILE --target COLUMN --model linear

The rows are split at random, the columns standardised with the numbers of the training
part, and the mean squared error, or another loss, minimised. Losses, predictions and
the parameters of a linear model are in the units of the file.

The file that comes with it is made up: 120 days of a house whose heating power is

    8 kW - 0.3 kW/°C · outdoor temperature
         + 0.15 kW/(m/s) · wind speed - 0.004 kW/(W/m²) · sunlight

and a normal error of 0.3 kW. A linear fit should find about these numbers again.
"""

import csv
import dataclasses
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments._thermometer import LOSSES, LossName

SOURCES = ("Chapter notes: the mechanics of learning",)

HEATING = Path(__file__).with_name("heating.csv")


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
    loss: LossName = "mse"
    """Loss to minimise; Huber's is linear from one standard deviation on."""
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
        losses: `(epochs,)`, the loss that is minimised, before every epoch.
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
        target_scale: the standard deviation of the training targets.
    """

    sides: dict[str, Side]
    line: fl.models.LinearParams | None
    curve: tuple[Any, Any] | None
    target_scale: Any

    def losses(self, name: LossName) -> dict[str, float]:
        """What the trained model has of a loss on either side."""
        loss, scale = LOSSES[name], jnp.asarray(self.target_scale)
        scaled = {
            part: loss.function(side.predictions / scale, side.targets / scale)
            for part, side in self.sides.items()
        }
        return {part: float(one * scale**loss.power) for part, one in scaled.items()}


class Result(NamedTuple):
    """A fit, and what the columns are called."""

    fit: Fit
    target: str
    inputs: tuple[str, ...]


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
    loss, power = LOSSES[config.loss]
    scale = jnp.asarray(scaler.target_scale)
    optimizer = getattr(optax, config.optimizer)(config.learning_rate)
    run = fl.fit(
        fl.make_train_step(fl.make_objective(model, loss), optimizer),
        fl.init_state(run_key, model.init(init_key), optimizer),
        scaled,
        scaler(validation),
        epochs=config.epochs,
        batch_size=config.batch_size,
        evaluate=fl.make_evaluation(model, loss),
    )

    def predict(data: fl.Dataset) -> jax.Array:
        scaled = model.apply(run.state.params, scaler(data).inputs)
        return scaler.unscale_predictions(scaled)

    def side(data: fl.Dataset, losses: jax.Array) -> Side:
        return Side(*data, predict(data), losses * scale**power)

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
        target_scale=scale,
    )


def study(config: Config) -> Result:
    """Reads and fits.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if a column or a cell is not as it must be, or training diverged.
    """
    data, inputs = read(config)
    fit: Fit = jax.device_get(train(data, config))
    if not np.isfinite(fit.sides["training"].predictions).all():
        raise ValueError(
            f"training diverged; learning_rate must be below {config.learning_rate}."
        )
    target, *names = (
        name if config.header else f"column {name}" for name in (config.target, *inputs)
    )
    return Result(fit, target, tuple(names))
