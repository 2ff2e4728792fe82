"""Follows SGD, momentum, Nesterov and Adam over the contours of one loss.

An optimizer turns gradients into steps. SGD goes straight down the slope. Momentum adds
a part of its last step; Nesterov's momentum does so and looks ahead. Adam divides every
parameter's step by the size of that parameter's own gradients.

On the raw readings the loss is a narrow valley: steep walls along w, and a floor that
hardly falls along b. A learning rate that the walls allow makes SGD crawl along the
floor; momentum crawls faster. Adam's steps do not depend on how steep the walls are.
Scaling the readings widens the valley, and there every optimizer arrives.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optax

import funclearn as fl
from experiments._data import Readings, readings
from experiments._thermometer import LOSSES, LossName, train
from experiments.harness import Count, Momentum, Positive, Settings
from experiments.optimizers.counterparts import Counterpart, counterparts
from funclearn.models import LinearParams

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Chapter notes: the mechanics of learning",
    "Reading notes on the book",
    "PyTorch autograd and training models",
)
PRINTED_EPOCHS = (500, 1000, 1500, 2000)
_REFITS = 500


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    csv: Path | None = None
    """File of two columns, in place of the thermometer's readings."""
    target: str | None = None
    """Its column to predict from the other one."""
    loss: LossName = "mse"
    """What is minimised: the mean squared or absolute error, or Huber's loss."""
    epochs: Count = 2000
    """Number of epochs of every run."""
    first_learning_rate: Positive = 1e-5
    """Learning rate of the single step of SGD on the raw readings."""
    raw_learning_rate: Positive = 1e-4
    """Learning rate of all but Adam on the raw readings."""
    scaled_learning_rate: Positive = 1e-2
    """Learning rate of all but Adam on the scaled readings."""
    adam_learning_rate: Positive = 1e-1
    """Learning rate of Adam."""
    momentum: Momentum = 0.9
    """The part of the last step that momentum adds to the next."""
    input_scale: Positive = 10.0
    """What the readings are divided by to scale them."""


def descend(
    data: fl.Dataset, learning_rate: float, config: Config
) -> dict[str, fl.Run]:
    """Trains with every optimizer; it is an argument like any other."""
    rate, adam_rate = learning_rate, config.adam_learning_rate
    optimizers = {
        f"SGD, {rate:g}": optax.sgd(rate),
        f"momentum, {rate:g}": optax.sgd(rate, config.momentum),
        f"Nesterov, {rate:g}": optax.sgd(rate, config.momentum, nesterov=True),
        f"Adam, {adam_rate:g}": optax.adam(adam_rate),
    }
    loss = LOSSES[config.loss].function
    return {
        name: train(data, optimizer, epochs=config.epochs, loss=loss)
        for name, optimizer in optimizers.items()
    }


def best_line(data: fl.Dataset, loss: LossName) -> LinearParams:
    """The line of the least loss, without any descent.

    That of the squared error is known. For the other two, whose slope is bounded, rows
    are weighted by how far the last line missed them, and fitted again.
    """
    line = LinearParams(*np.polyfit(data.inputs, data.targets, deg=1))
    if loss == "mse":
        return line
    x, y = (np.asarray(column, float) for column in data)
    # Within one unit Huber's loss is quadratic; the absolute error never is.
    quadratic_within = 1.0 if loss == "huber" else 1e-9 * (np.ptp(y) or 1)
    for _ in range(_REFITS):
        misses = np.abs(y - line.weight * x - line.bias)
        weights = 1 / np.maximum(misses, quadratic_within)
        line = LinearParams(*np.polyfit(x, y, deg=1, w=np.sqrt(weights)))
    return line


class Result(NamedTuple):
    """What the chapter finds.

    Attributes:
        readings: as they are.
        datasets: "raw" and "scaled" -> the readings.
        runs: "raw" and "scaled" -> optimizer and learning rate -> the run.
        first: a single step of SGD on the raw readings.
        best: "raw" and "scaled" -> the line of the least loss.
        least: that loss.
        counterparts: torch.optim's names, and optax's first steps on scaled readings.
    """

    readings: Readings
    datasets: dict[str, fl.Dataset]
    runs: dict[str, dict[str, fl.Run]]
    first: fl.Run
    best: dict[str, LinearParams]
    least: float
    counterparts: list[Counterpart]


def study(config: Config) -> Result:
    """Trains with four optimizers, on the raw readings and on the scaled ones.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if a setting or the file is refused, or training diverged.
    """
    given = readings(config.csv, config.target)
    scaled = fl.data.Scaler(input_scale=config.input_scale)(given.data)
    datasets = {"raw": given.data, "scaled": scaled}
    rates = {"raw": config.raw_learning_rate, "scaled": config.scaled_learning_rate}
    runs = {name: descend(datasets[name], rates[name], config) for name in datasets}
    for name, rate in rates.items():
        if not all(np.isfinite(run.history.loss).all() for run in runs[name].values()):
            raise ValueError(
                f"training diverged; {name}_learning_rate must be less than {rate:g}."
            )
    loss, sgd = LOSSES[config.loss].function, optax.sgd(config.first_learning_rate)
    best = {name: best_line(data, config.loss) for name, data in datasets.items()}
    evaluate = fl.make_evaluation(fl.models.linear, loss)
    return Result(
        readings=given,
        datasets=datasets,
        runs=runs,
        first=train(given.data, sgd, epochs=1, loss=loss),
        best=best,
        least=float(evaluate(best["raw"], given.data)),
        counterparts=counterparts(scaled, config.scaled_learning_rate),
    )
