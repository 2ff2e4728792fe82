"""The gradient in numbers, and the three runs in tables and figures."""

from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.axes import Axes

import funclearn as fl
from experiments._data import Readings, label, power, quantity
from experiments._thermometer import Epoch, initial_params, relative_difference, rows_at
from experiments.harness import Outcome, Plot, Table, number
from experiments.parameter_estimation.chapter import (
    PRINTED_EPOCHS,
    Config,
    Descent,
    Result,
    Start,
    study,
)
from funclearn import plots
from funclearn.models import LinearParams

PUBLISHED_RUNS = ("diverging-lr-1e-2", "stalling-lr-1e-4", "normalised-lr-1e-2")


def run(config: Config) -> Outcome:
    """Measures the gradient, derives it, and descends along it three times."""
    result = study(config)
    large, small = config.large_learning_rate, config.small_learning_rate
    runs = {
        f"raw readings, learning rate {large:g}": result.exploding,
        f"raw readings, learning rate {small:g}": result.stalling,
        f"scaled readings, learning rate {large:g}": result.learning,
    }
    histories: dict[str, Epoch] = {name: run.fit.history for name, run in runs.items()}
    first, ratio = result.stalling.fit.history.loss[0], _ratio(result.stalling)
    given, unit = result.readings, power(result.readings.unit, 2)
    return Outcome(
        computed={
            "initial-loss-raw": first,
            "gradient-ratio": ratio,
            **_published(result),
        },
        tables=(
            _data_table(given, result.line),
            _gradient_table(result.starts),
            *(_run_table(name, history, unit) for name, history in histories.items()),
            _agreement_table(result.starts, runs),
        ),
        plots={
            "fit": Plot(
                f"The {'eleven' if config.csv is None else len(given.data.inputs)} "
                "readings, the line that every run starts from and the one "
                "that the scaled run ends with, in original units.",
                partial(_draw_fit, config, given, result.line),
            ),
            "nudges": Plot(
                "The loss around the start, on raw readings. The dots are a nudge "
                "away, and the line through two of them has the measured slope.",
                partial(_draw_nudges, result.moves, result.nudged, ratio, unit),
            ),
            "learning_rates": Plot(
                f"The loss of the three runs.{_leaving(result.exploding.fit)}",
                partial(_draw_losses, config, histories, unit),
            ),
        },
        history=result.learning.fit.history._asdict(),
        findings=_findings(config, result),
    )


def _findings(config: Config, result: Result) -> tuple[str, ...]:
    _, _, _, _, exploding, stalling, learning, line = result
    given, large = result.readings, config.large_learning_rate

    def loss(value: float, digits: str) -> str:
        return quantity(f"{value:{digits}}", power(given.unit, 2))

    exploded = (
        loss(exploding.fit.final.loss, ".3g")
        if np.isfinite(exploding.fit.final.loss)
        else "too large for a number"
    )
    worst = max(_difference(run) for run in (exploding, stalling, learning))
    return (
        f"The loss at the start is {loss(stalling.fit.history.loss[0], '.2f')}.",
        f"There the gradient of w is {_ratio(stalling):.1f} times that of b on raw "
        f"readings, and {_ratio(learning):.1f} times on scaled ones.",
        f"On raw readings the loss explodes at learning rate {large:g}: it is "
        f"{exploded} after {exploding.fit.epochs} epochs. "
        f"Learning rate {config.small_learning_rate:g} leaves it at "
        f"{loss(stalling.fit.final.loss, '.3g')} after {stalling.fit.epochs}.",
        f"On scaled readings, learning rate {large:g} reaches "
        f"{loss(learning.fit.final.loss, '.4g')} after {learning.fit.epochs} epochs.",
        "In original units its line has w = "
        f"{quantity(f'{line.weight:.4f}', given.slope_unit)} and b = "
        f"{quantity(f'{line.bias:.2f}', given.unit)}.",
        "The same loops written out by hand give the losses and parameters of "
        f"funclearn.fit, with a largest relative difference of {number(worst, 1)}.",
    )


def _ratio(descent: Descent) -> float:
    history = descent.fit.history
    return float(history.weight_gradient[0] / history.bias_gradient[0])


def _leaving(run: fl.Run) -> str:
    if np.isfinite(run.final.loss):
        return ""
    return (
        " The exploding one leaves the figure; at epoch "
        f"{run.epochs} its loss is too large for a number."
    )


def _published(result: Result) -> dict[str, object]:
    runs = (result.exploding, result.stalling, result.learning)
    return {
        f"{name}-epoch-{epoch}": {"loss": loss, "params": row[:2], "gradient": row[2:]}
        for name, run in zip(PUBLISHED_RUNS, runs, strict=True)
        for epoch, (loss, *row) in rows_at(run.fit.history, PRINTED_EPOCHS).items()
    }


def _data_table(given: Readings, line: LinearParams) -> Table:
    inputs, targets = given.data
    fitted = fl.models.linear.apply(line, inputs)
    columns = (inputs, targets, fitted, targets - fitted)
    names = ("Measured", "Line", "Difference")
    return Table(
        "The data and the fitted line",
        (given.input_name, *(label(name, given.unit) for name in names)),
        tuple(zip(*(column.tolist() for column in columns), strict=True)),
    )


def _gradient_table(starts: Mapping[str, Start]) -> Table:
    rows = []
    for readings, start in starts.items():
        found = {"nudging": start.measured, "by hand": start.derived}
        for method, (weight, bias) in found.items():
            ratio = float(weight / bias)
            rows.append((readings, method, float(weight), float(bias), ratio))
    columns = ("Readings", "Found by", "dL/dw", "dL/db", "Ratio")
    return Table("The gradient at w = 1, b = 0", columns, tuple(rows))


def _run_table(name: str, history: Epoch, unit: str) -> Table:
    rows = rows_at(history, {*PRINTED_EPOCHS, len(history.loss)})
    return Table(
        f"Gradient descent on {name}",
        ("Epoch", label("Loss", unit), "w after", "b after", "dL/dw", "dL/db"),
        tuple((epoch, *row) for epoch, row in rows.items()),
    )


def _agreement_table(starts: Mapping[str, Start], runs: Mapping[str, Descent]) -> Table:
    gradients = {
        f"gradient by {method}, {readings} readings": difference
        for readings, start in starts.items()
        for method, difference in {
            "nudging": relative_difference(start.measured_by_hand, start.measured),
            "the chain rule": relative_difference(start.derived_by_hand, start.derived),
        }.items()
    }
    descents = {
        f"{run.fit.epochs} epochs, {name}": _difference(run)
        for name, run in runs.items()
    }
    return Table(
        "Written out by hand, and with funclearn",
        ("What", "Largest relative difference"),
        tuple((gradients | descents).items()),
    )


def _difference(descent: Descent) -> float:
    """That of the losses and parameters of any epoch."""
    return relative_difference(descent.loop[:3], descent.fit.history[:3])


def _draw_fit(config: Config, given: Readings, line: LinearParams, axes: Axes) -> None:
    lines = {
        "start: w = 1, b = 0": initial_params(),
        f"fitted: w = {line.weight:.3f}, b = {line.bias:.2f}": line,
    }
    predict = fl.models.linear.apply
    plots.fit(axes, given.data, {name: partial(predict, lines[name]) for name in lines})
    inputs, targets = given.data
    left = np.mean((predict(line, inputs) - targets) ** 2) / np.var(targets)
    axes.set(
        title="A line turns the readings into degrees Celsius"
        if config.csv is None and left < 0.1
        else "The line from which every run starts,\nand the fitted one",
        xlabel=given.input_name,
        ylabel=given.target_name,
    )


def _draw_nudges(
    moves: np.ndarray,
    nudged: list[np.ndarray],
    ratio: float,
    unit: str,
    axes: Axes,
) -> None:
    below, above = 10, 30
    for name, losses in zip("wb", nudged, strict=True):
        slope = (losses[above] - losses[below]) / (moves[above] - moves[below])
        label_ = f"{name} moves: slope {slope:.1f}"
        axes.plot(moves, losses, marker="o", markevery=[below, above], label=label_)
    axes.legend()
    axes.set(
        title=f"Moving w changes the loss {ratio:.0f} times\nas fast as moving b",
        xlabel="Change of the parameter",
        ylabel=label("Loss", unit),
    )


def _draw_losses(
    config: Config, histories: Mapping[str, Epoch], unit: str, axes: Axes
) -> None:
    plots.learning_curves(axes, {name: row.loss for name, row in histories.items()})
    axes.set(xscale="log", ylabel=label("Loss", unit))
    exploding, stalling, learning = (row.loss for row in histories.values())
    told = not exploding[-1] <= exploding[0] and learning[-1] < stalling[-1] / 2
    axes.set(
        title="Large steps explode, small ones stall;\nscaled readings learn"
        if told
        else "The same descent,\nwith other steps and scales"
    )
    if config.csv is None:
        axes.set_ylim(1, 1e6)
    else:
        axes.set_ylim(top=1e3 * max(exploding[0], learning[0]))
