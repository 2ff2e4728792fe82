"""Where every optimizer goes, in tables, contours and learning curves."""

from collections.abc import Mapping
from functools import partial

import jax
import numpy as np
from matplotlib.axes import Axes

import funclearn as fl
from experiments._data import label, power, quantity
from experiments._thermometer import LOSSES, Epoch, initial_params, rows_at
from experiments.harness import Outcome, Plot, Table
from experiments.harness.style import INK
from experiments.optimizers.chapter import PRINTED_EPOCHS, Config, Result, study
from funclearn import plots
from funclearn.models import LinearParams

CLOSE = 0.02


def run(config: Config) -> Outcome:
    """Trains with four optimizers, on the raw readings and on the scaled ones."""
    result = study(config)
    runs, least = result.runs, result.least
    unit = power(result.readings.unit, LOSSES[config.loss].power)
    titles = {
        readings: _verdict(readings, found, least) for readings, found in runs.items()
    }
    first_runs = {f"SGD, {config.first_learning_rate:g}": result.first}
    return Outcome(
        computed=_published(result),
        tables=(
            _table(
                "The first step from w = 1, b = 0 (the numbers are learning rates)",
                runs | {"raw": first_runs | runs["raw"]},
                epoch=1,
                unit=unit,
            ),
            _table(
                f"After {config.epochs} epochs", runs, epoch=config.epochs, unit=unit
            ),
        ),
        plots={
            "paths": Plot(
                "Lines of equal loss, and where each optimizer goes from w = 1, b = 0; "
                "a dot marks its end, the cross the least loss. The numbers are "
                "learning rates.",
                partial(_draw_paths, config, result, titles),
                size=(5.2, 7.6),
                panels=(2, 1),
            ),
            "losses": Plot(
                "The loss of the same runs; below is the least that a line can have.",
                partial(_draw_losses, result, titles, label("Loss", unit)),
                size=(5.2, 6.4),
                panels=(2, 1),
                layout={"sharex": True, "sharey": True},
            ),
        },
        history={
            f"{readings} {name.split(',')[0]} {column}": values
            for readings, found in runs.items()
            for name, run in found.items()
            for column, values in run.history._asdict().items()
        },
        findings=(
            f"No line has a loss below {quantity(f'{least:.4f}', unit)}.",
            *(f"{title} after {config.epochs} epochs." for title in titles.values()),
        ),
    )


def _published(result: Result) -> Mapping[str, object]:
    sgd, *_ = result.runs["scaled"].values()
    *_, adam = result.runs["raw"].values()
    first, normalised = result.first.history, sgd.history
    losses = rows_at(adam.history, PRINTED_EPOCHS)
    return {
        "sgd-one-step-raw": [first.weight[0], first.bias[0]],
        "sgd-one-step-normalised": [normalised.weight[0], normalised.bias[0]],
        "adam-2000-params": [adam.final.weight, adam.final.bias],
    } | {f"adam-2000-epoch-{epoch}": loss for epoch, (loss, *_) in losses.items()}


def _verdict(readings: str, runs: Mapping[str, fl.Run], least: float) -> str:
    close = sum(run.final.loss <= (1 + CLOSE) * least for run in runs.values())
    return (
        f"{readings.capitalize()} readings: {close} of {len(runs)} within "
        f"{CLOSE:.0%} of the minimum"
    )


def _table(
    title: str, runs: Mapping[str, Mapping[str, fl.Run]], *, epoch: int, unit: str
) -> Table:
    rows = []
    for readings, found in runs.items():
        for name, run in found.items():
            loss, weight, bias, *_ = rows_at(run.history, [epoch])[epoch]
            rows.append((readings, name, weight, bias, loss))
    columns = ("Readings", "Optimizer", "w after", "b after")
    return Table(title, (*columns, label("Loss before", unit)), tuple(rows))


def _path(history: Epoch) -> np.ndarray:
    steps = np.stack([history.weight, history.bias], axis=1)
    return np.concatenate([[initial_params()], steps])


def _draw_paths(
    config: Config, result: Result, titles: Mapping[str, str], *panels: Axes
) -> None:
    evaluate = fl.make_evaluation(fl.models.linear, LOSSES[config.loss].function)
    for axes, (readings, data) in zip(panels, result.datasets.items(), strict=True):
        runs, best = result.runs[readings], result.best[readings]
        paths = {name: _path(run.history) for name, run in runs.items()}
        everywhere = np.concatenate([*paths.values()])
        margins = 0.1 * np.ptp(everywhere, axis=0)
        low, high = everywhere.min(axis=0) - margins, everywhere.max(axis=0) + margins
        x_range, y_range = zip(low.tolist(), high.tolist(), strict=True)

        def loss_at(
            weight: jax.Array, bias: jax.Array, data: fl.Dataset = data
        ) -> jax.Array:
            return evaluate(LinearParams(weight, bias), data)

        highest = np.max([run.history.loss for run in runs.values()])
        # A line through all readings has no loss, and zero no logarithm.
        lowest = max(evaluate(best, data), 1e-6 * highest)
        levels = np.geomspace(lowest, highest, 10)[1:]
        plots.contours(axes, loss_at, x_range, y_range, levels=levels)
        plots.paths(axes, paths)
        axes.plot(*best, "+", color=INK, markersize=14)
        axes.set(
            title=titles[readings],
            xlabel=label("w", result.readings.slope_unit),
            ylabel=label("b", result.readings.unit),
        )


def _draw_losses(
    result: Result, titles: Mapping[str, str], ylabel: str, *panels: Axes
) -> None:
    for axes, (readings, runs) in zip(panels, result.runs.items(), strict=True):
        plots.learning_curves(axes, {name: runs[name].history.loss for name in runs})
        axes.axhline(result.least, color=INK, linewidth=0.8)
        axes.set(title=titles[readings], xscale="log", ylabel=ylabel)
        axes.label_outer()
