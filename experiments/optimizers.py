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
from collections.abc import Mapping
from functools import partial
from typing import Any

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
CLOSE = 0.02


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


def descend(data: fl.Dataset, learning_rate: float, config: Config) -> dict[str, Epoch]:
    """Trains with every optimizer; it is an argument like any other."""
    rate, adam_rate = learning_rate, config.adam_learning_rate
    optimizers = {
        f"SGD, {rate:g}": optax.sgd(rate),
        f"momentum, {rate:g}": optax.sgd(rate, config.momentum),
        f"Nesterov, {rate:g}": optax.sgd(rate, config.momentum, nesterov=True),
        f"Adam, {adam_rate:g}": optax.adam(adam_rate),
    }
    return {
        name: train(data, optimizer, epochs=config.epochs)
        for name, optimizer in optimizers.items()
    }


def least_squares(data: fl.Dataset) -> LinearParams:
    """The line of the least loss, without any descent."""
    return LinearParams(*np.polyfit(data.inputs, data.targets, deg=1))


def run(config: Config) -> Outcome:
    """Trains with four optimizers, on the raw readings and on the scaled ones."""
    raw = fl.data.thermometer()
    scaled = fl.data.Scaler(input_scale=config.input_scale)(raw)
    runs = {
        "raw": descend(raw, config.raw_learning_rate, config),
        "scaled": descend(scaled, config.scaled_learning_rate, config),
    }
    rate = config.first_learning_rate
    first = train(raw, optax.sgd(rate), epochs=1)
    sgd, *_ = runs["scaled"].values()
    *_, adam = runs["raw"].values()
    least = float(evaluate(least_squares(raw), raw))
    titles = {
        readings: _verdict(readings, histories, least)
        for readings, histories in runs.items()
    }
    return Outcome(
        computed={
            "sgd-one-step-raw": [first.weight[0], first.bias[0]],
            "sgd-one-step-normalised": [sgd.weight[0], sgd.bias[0]],
            "adam-2000-params": [adam.weight[-1], adam.bias[-1]],
        }
        | {
            f"adam-2000-epoch-{epoch}": loss
            for epoch, (loss, *_) in rows_at(adam, PRINTED_EPOCHS).items()
        },
        tables=(
            _table(
                "The first step from w = 1, b = 0 (the numbers are learning rates)",
                {
                    "raw": {f"SGD, {rate:g}": first} | runs["raw"],
                    "scaled": runs["scaled"],
                },
                epoch=1,
            ),
            _table(f"After {config.epochs} epochs", runs, epoch=config.epochs),
        ),
        plots={
            "paths": Plot(
                "Lines of equal loss, and where each optimizer goes from w = 1, b = 0; "
                "a dot marks its end, the cross the least loss. The numbers are "
                "learning rates.",
                partial(_draw_paths, {"raw": raw, "scaled": scaled}, runs, titles),
            ),
            "losses": Plot(
                "The loss of the same runs; below is the least that a line can have.",
                partial(_draw_losses, runs, least, titles),
            ),
        },
        history={
            f"{readings} {name.split(',')[0]} {column}": values
            for readings, histories in runs.items()
            for name, history in histories.items()
            for column, values in history._asdict().items()
        },
        findings=(
            f"No line has a loss below {least:.4f} °C².",
            *(f"{title} after {config.epochs} epochs." for title in titles.values()),
        ),
    )


def _verdict(readings: str, histories: Mapping[str, Epoch], least: float) -> str:
    close = sum(row.loss[-1] <= (1 + CLOSE) * least for row in histories.values())
    return (
        f"{readings.capitalize()} readings: {close} of {len(histories)} within "
        f"{CLOSE:.0%} of the minimum"
    )


def _table(title: str, runs: Mapping[str, Mapping[str, Epoch]], epoch: int) -> Table:
    rows = []
    for readings, histories in runs.items():
        for name, history in histories.items():
            loss, weight, bias, *_ = rows_at(history, [epoch])[epoch]
            rows.append((readings, name, weight, bias, loss))
    columns = ("Readings", "Optimizer", "w after", "b after", "Loss before (°C²)")
    return Table(title, columns, tuple(rows))


def _loss_at(data: fl.Dataset, weight: Any, bias: Any) -> Any:
    return evaluate(LinearParams(weight, bias), data)


def _path(history: Epoch) -> np.ndarray:
    steps = np.stack([history.weight, history.bias], axis=1)
    return np.concatenate([[initial_params()], steps])


def _draw_paths(
    datasets: Mapping[str, fl.Dataset],
    runs: Mapping[str, Mapping[str, Epoch]],
    titles: Mapping[str, str],
) -> Figure:
    figure = Figure(figsize=(5.2, 7.6))
    for axes, (readings, data) in zip(
        figure.subplots(2), datasets.items(), strict=True
    ):
        paths = {name: _path(history) for name, history in runs[readings].items()}
        everywhere = np.concatenate([*paths.values()])
        margins = 0.1 * np.ptp(everywhere, axis=0)
        low, high = everywhere.min(axis=0) - margins, everywhere.max(axis=0) + margins
        x_range, y_range = zip(low.tolist(), high.tolist(), strict=True)
        losses = [history.loss for history in runs[readings].values()]
        best = least_squares(data)
        levels = np.geomspace(evaluate(best, data), np.max(losses), 10)[1:]
        plots.contours(axes, partial(_loss_at, data), x_range, y_range, levels=levels)
        plots.paths(axes, paths)
        axes.plot(*best, "+", color=INK, markersize=14)
        axes.set(title=titles[readings], xlabel="w (°C a unit)", ylabel="b (°C)")
    return figure


def _draw_losses(
    runs: Mapping[str, Mapping[str, Epoch]], least: float, titles: Mapping[str, str]
) -> Figure:
    figure = Figure(figsize=(5.2, 6.4))
    panels = figure.subplots(2, sharex=True, sharey=True)
    for axes, (readings, histories) in zip(panels, runs.items(), strict=True):
        plots.learning_curves(axes, {name: row.loss for name, row in histories.items()})
        axes.axhline(least, color=INK, linewidth=0.8)
        axes.set(title=titles[readings], xscale="log", ylabel="Loss (°C²)")
        axes.label_outer()
    return figure


if __name__ == "__main__":
    launch(run, Config)
