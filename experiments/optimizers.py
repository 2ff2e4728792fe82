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
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import optax
from matplotlib.figure import Figure

import funclearn as fl
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch
from experiments._style import INK
from experiments._thermometer import Epoch, evaluate, initial_params, rows_at, train
from funclearn import plots
from funclearn.models import LinearParams

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Chapter notes: the mechanics of learning",
    "Reading notes on the book",
    "PyTorch autograd and training models",
)
PRINTED_EPOCHS = (500, 1000, 1500, 2000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    epochs: int = 2000
    """Number of epochs of every run."""
    first_learning_rate: float = 1e-5
    """Learning rate of the single step of SGD on the raw readings."""
    raw_learning_rate: float = 1e-4
    """Learning rate of all but Adam on the raw readings."""
    scaled_learning_rate: float = 1e-2
    """Learning rate of all but Adam on the scaled readings."""
    adam_learning_rate: float = 1e-1
    """Learning rate of Adam."""
    momentum: float = 0.9
    """The part of the last step that momentum adds to the next."""
    input_scale: float = 10.0
    """What the readings are divided by to scale them."""


class Descent(NamedTuple):
    """One optimizer's way down."""

    readings: str
    optimizer: str
    learning_rate: float
    history: Epoch


def descend(
    readings: str, data: fl.Dataset, learning_rate: float, config: Config
) -> list[Descent]:
    """Trains with every optimizer: it is an argument like any other."""
    momentum, adam_rate = config.momentum, config.adam_learning_rate
    optimizers = {
        "SGD": (learning_rate, optax.sgd(learning_rate)),
        "momentum": (learning_rate, optax.sgd(learning_rate, momentum)),
        "Nesterov": (learning_rate, optax.sgd(learning_rate, momentum, nesterov=True)),
        "Adam": (adam_rate, optax.adam(adam_rate)),
    }
    return [
        Descent(readings, name, rate, train(data, optimizer, epochs=config.epochs))
        for name, (rate, optimizer) in optimizers.items()
    ]


def least_squares(data: fl.Dataset) -> LinearParams:
    """The line of the least loss, without any descent."""
    return LinearParams(*np.polyfit(data.inputs, data.targets, deg=1))


def run(config: Config) -> Outcome:
    """Trains with four optimizers on raw and on scaled readings."""
    raw = fl.data.thermometer()
    scaled = fl.data.Scaler(input_scale=config.input_scale)(raw)
    on_raw = descend("raw", raw, config.raw_learning_rate, config)
    on_scaled = descend("scaled", scaled, config.scaled_learning_rate, config)
    rate = config.first_learning_rate
    first = Descent("raw", "SGD", rate, train(raw, optax.sgd(rate), epochs=1))
    sgd, adam = on_scaled[0].history, on_raw[-1].history
    best = least_squares(raw)
    least = float(evaluate(best, raw))
    return Outcome(
        computed={
            "sgd-one-step-raw": [first.history.weight[0], first.history.bias[0]],
            "sgd-one-step-normalised": [sgd.weight[0], sgd.bias[0]],
            "adam-2000-params": [adam.weight[-1], adam.bias[-1]],
        }
        | {
            f"adam-2000-epoch-{epoch}": loss
            for epoch, (loss, *_) in rows_at(adam, PRINTED_EPOCHS).items()
        },
        tables=(
            _table("The first step from w = 1, b = 0", [first, *on_raw, *on_scaled], 1),
            _table(f"Epoch {config.epochs}", [*on_raw, *on_scaled], config.epochs),
        ),
        plots={
            "paths": Plot(
                "Lines of equal loss, and where each optimizer goes from w = 1, b = 0 "
                "until its dot; the cross marks the least loss.",
                partial(_draw_paths, ((raw, on_raw), (scaled, on_scaled))),
            ),
            "losses": Plot(
                "How far the same runs are above the least possible loss, "
                f"{least:.4f} °C².",
                partial(_draw_losses, (on_raw, on_scaled), least),
            ),
        },
        history={
            f"{descent.readings} {descent.optimizer} {column}": values
            for descent in [*on_raw, *on_scaled]
            for column, values in descent.history._asdict().items()
        },
        findings=(
            f"No line has a loss below {least:.4f} °C².",
            *(
                f"On {descents[0].readings} readings these come within {CLOSE:.0%} of it "
                f"in {config.epochs} epochs: {', '.join(arrivals) or 'none'}."
                for ...
            ),
        ),
    )


def _table(title: str, descents: Iterable[Descent], epoch: int) -> Table:
    rows = []
    for readings, optimizer, rate, history in descents:
        ((loss, weight, bias, *_),) = rows_at(history, [epoch]).values()
        rows.append((readings, optimizer, rate, weight, bias, loss))
    columns = (
        "Readings",
        "Optimizer",
        "Learning rate",
        "w after",
        "b after",
        "Loss before (°C²)",
    )
    return Table(title, columns, tuple(rows))


def _loss_at(data: fl.Dataset, weight: Any, bias: Any) -> Any:
    return evaluate(LinearParams(weight, bias), data)


def _draw_paths(panels: Iterable[tuple[fl.Dataset, list[Descent]]]) -> Figure:
    figure = Figure(figsize=(5.2, 7.2))
    for axes, (data, descents) in zip(figure.subplots(2), panels, strict=True):
        lines = {
            descent.optimizer: np.concatenate(
                [[initial_params()], np.stack(descent.history[1:3], axis=1)]
            )
            for descent in descents
        }
        weights, biases = np.concatenate(list(lines.values())).T
        plots.contours(
            axes,
            partial(_loss_at, data),
            _range_around(weights),
            _range_around(biases),
            levels=np.geomspace(3, 3000, 10),
        )
        plots.paths(axes, lines)
        axes.plot(*least_squares(data), "k+", markersize=12)
        axes.set(
            title=descents[0].readings,
            xlabel="w (°C a unit)",
            ylabel="b (°C)",
        )
    return figure


def _range_around(values: np.ndarray) -> tuple[float, float]:
    margin = 0.1 * np.ptp(values)
    return values.min() - margin, values.max() + margin


def _draw_losses(panels: Iterable[list[Descent]], least: float) -> Figure:
    figure = Figure(figsize=(5.2, 5.6))
    for axes, descents in zip(figure.subplots(2, sharex=True), panels, strict=True):
        plots.learning_curves(
            axes, {descent.optimizer: descent.history.loss for descent in descents}
        )
        axes.axhline(least, linewidth=0.8)
        axes.set(title=descents[0].readings, xscale="log", ylabel="Loss (°C²)")
    return figure


if __name__ == "__main__":
    launch(run, Config)
