"""Fits a line to eleven thermometer readings by gradient descent.

A thermometer shows readings in an unknown unit, and eleven of them are known in
degrees Celsius. The model is a line, the loss its mean squared error:

    t_c     = w t_u + b
    L(w, b) = mean((w t_u + b - t_c)²)

How the loss changes with w and with b can be measured, by nudging each a little, or
derived by hand; gradient descent then steps against it. On the raw readings the loss is
far steeper in w than in b, so no learning rate suits both: a large one makes the loss
explode, a small one leaves b where it was. With the readings divided by ten the slopes
are closer to each other, and the same descent finds the line.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
import optax
from matplotlib.figure import Figure

import funclearn as fl
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch
from experiments._thermometer import (
    Epoch,
    evaluate,
    initial_params,
    objective,
    rows_at,
    train,
)
from funclearn import plots
from funclearn.models import LinearParams

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Reading notes on the book",
    "PyTorch autograd and training models",
)
PRINTED_EPOCHS = (1, 2, 3, 10, 11, 99, 100)
PUBLISHED_RUNS = ("diverging-lr-1e-2", "stalling-lr-1e-4", "normalised-lr-1e-2")

by_hand = fl.gradients.given(fl.analytic.linear_mse)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    epochs: int = 5000
    """Number of epochs of every run."""
    large_learning_rate: float = 1e-2
    """Learning rate that explodes on raw readings, and works on scaled ones."""
    small_learning_rate: float = 1e-4
    """Learning rate that stalls on raw readings."""
    input_scale: float = 10.0
    """What the readings are divided by to scale them."""
    nudge: float = 0.1
    """How far a parameter is moved, up and down, to measure a slope of the loss."""


@partial(jax.jit, static_argnames="nudge")
def slopes(data: fl.Dataset, nudge: float) -> list[LinearParams]:
    """The gradient at the start: measured by nudging, and derived by hand."""
    start, key = initial_params(), jax.random.key(0)
    methods = (fl.gradients.finite_difference(step=nudge), by_hand)
    return [method(objective)(start, data, key)[1] for method in methods]


@jax.jit
def nudged_losses(data: fl.Dataset, moves: jax.Array) -> list[jax.Array]:
    """The loss around the start, where w alone is moved and where b alone is."""
    weight, bias = initial_params()

    def losses(move):
        nudged = LinearParams(weight + move, bias), LinearParams(weight, bias + move)
        return [evaluate(params, data) for params in nudged]

    return jax.vmap(losses)(moves)


def until_overflow(history: Epoch) -> Epoch:
    """The epochs up to the first whose loss is not finite, where the book stops."""
    overflowed = np.flatnonzero(~np.isfinite(history.loss))
    end = overflowed[0] + 1 if overflowed.size else None
    return Epoch(*(column[:end] for column in history))


def run(config: Config) -> Outcome:
    """Measures the gradient, derives it, and descends along it three times."""
    raw = fl.data.thermometer()
    scaler = fl.data.Scaler(input_scale=config.input_scale)
    scaled = scaler(raw)
    large, small = config.large_learning_rate, config.small_learning_rate
    settings = {
        f"raw readings, learning rate {large:g}": (raw, large),
        f"raw readings, learning rate {small:g}": (raw, small),
        f"scaled readings, learning rate {large:g}": (scaled, large),
    }
    histories = {
        name: until_overflow(
            train(data, optax.sgd(rate), gradient=by_hand, epochs=config.epochs)
        )
        for name, (data, rate) in settings.items()
    }
    exploding, stalling, learning = histories.values()
    line = scaler.unscale(LinearParams(learning.weight[-1], learning.bias[-1]))
    ratio, scaled_ratio = (
        float(history.weight_gradient[0] / history.bias_gradient[0])
        for history in (stalling, learning)
    )
    return Outcome(
        computed={
            "initial-loss-raw": stalling.loss[0],
            "gradient-ratio": ratio,
            **_published(histories.values()),
        },
        tables=(
            _data_table(raw, line),
            _gradient_table({"raw": raw, "scaled": scaled}, config.nudge),
            *(_run_table(name, history) for name, history in histories.items()),
        ),
        plots={
            "fit": Plot(
                "The eleven readings, the line that every run starts from and the one "
                "that the scaled run ends with, in original units.",
                partial(_draw_fit, raw, line),
            ),
            "nudges": Plot(
                "The loss around the start, on raw readings. The dots are a nudge "
                "away, and the line through two of them has the measured slope.",
                partial(_draw_nudges, raw, config.nudge, ratio),
            ),
            "learning_rates": Plot(
                "The loss of the three runs. The exploding one leaves the figure; "
                f"its last loss is {exploding.loss[-1]:g}, at epoch "
                f"{len(exploding.loss)}.",
                partial(_draw_losses, histories),
            ),
        },
        history=learning._asdict(),
        findings=(
            f"The loss at the start is {stalling.loss[0]:.2f} °C².",
            f"There the gradient of w is {ratio:.1f} times that of b on raw readings, "
            f"and {scaled_ratio:.1f} times on scaled ones.",
            f"On raw readings, learning rate {large:g} takes the loss to "
            f"{exploding.loss[-1]:.3g} °C² in {len(exploding.loss)} epochs, and "
            f"{small:g} leaves it at {stalling.loss[-1]:.3g} °C² after "
            f"{len(stalling.loss)}.",
            f"On scaled readings, learning rate {large:g} reaches "
            f"{learning.loss[-1]:.4g} °C² after {len(learning.loss)} epochs.",
            f"In original units its line has w = {line.weight:.4f} °C a unit and "
            f"b = {line.bias:.2f} °C.",
        ),
    )


def _published(histories: Iterable[Epoch]) -> dict[str, Any]:
    return {
        f"{name}-epoch-{epoch}": {"loss": loss, "params": row[:2], "gradient": row[2:]}
        for name, history in zip(PUBLISHED_RUNS, histories, strict=True)
        for epoch, (loss, *row) in rows_at(history, PRINTED_EPOCHS).items()
    }


def _data_table(data: fl.Dataset, line: LinearParams) -> Table:
    fitted = fl.models.linear.apply(line, data.inputs)
    columns = (data.inputs, data.targets, fitted, data.targets - fitted)
    return Table(
        "The data and the fitted line",
        ("Reading (unknown unit)", "Measured (°C)", "Line (°C)", "Difference (°C)"),
        tuple(zip(*(column.tolist() for column in columns), strict=True)),
    )


def _gradient_table(datasets: Mapping[str, fl.Dataset], nudge: float) -> Table:
    rows = []
    for readings, data in datasets.items():
        measured, derived = slopes(data, nudge)
        for method, (weight, bias) in ("nudging", measured), ("by hand", derived):
            ratio = float(weight / bias)
            rows.append((readings, method, float(weight), float(bias), ratio))
    columns = ("Readings", "Found by", "dL/dw", "dL/db", "Ratio")
    return Table("The gradient at w = 1, b = 0", columns, tuple(rows))


def _run_table(name: str, history: Epoch) -> Table:
    rows = rows_at(history, {*PRINTED_EPOCHS, len(history.loss)})
    return Table(
        f"Gradient descent on {name}",
        ("Epoch", "Loss (°C²)", "w after", "b after", "dL/dw", "dL/db"),
        tuple((epoch, *row) for epoch, row in rows.items()),
    )


def _draw_fit(data: fl.Dataset, line: LinearParams) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    lines = {
        "start: w = 1, b = 0": initial_params(),
        f"fitted: w = {line.weight:.3f}, b = {line.bias:.2f}": line,
    }
    predict = fl.models.linear.apply
    plots.fit(axes, data, {name: partial(predict, lines[name]) for name in lines})
    axes.set(
        title="A line turns the readings into degrees Celsius",
        xlabel="Reading (unknown unit)",
        ylabel="Temperature (°C)",
    )
    return figure


def _draw_nudges(data: fl.Dataset, nudge: float, ratio: float) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    moves = nudge * np.linspace(-2, 2, 41)
    below, above = 10, 30
    for name, losses in zip("wb", nudged_losses(data, moves), strict=True):
        slope = (losses[above] - losses[below]) / (moves[above] - moves[below])
        label = f"{name} moves: slope {slope:.1f}"
        axes.plot(moves, losses, marker="o", markevery=[below, above], label=label)
    axes.legend()
    axes.set(
        title=f"Moving w changes the loss {ratio:.0f} times\nas fast as moving b",
        xlabel="Change of the parameter",
        ylabel="Loss (°C²)",
    )
    return figure


def _draw_losses(histories: Mapping[str, Epoch]) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    plots.learning_curves(axes, {name: row.loss for name, row in histories.items()})
    axes.set(
        title="Large steps explode, small ones stall;\nscaled readings learn",
        xscale="log",
        ylim=(1, 1e6),
        ylabel="Loss (°C²)",
    )
    return figure


if __name__ == "__main__":
    launch(run, Config)
