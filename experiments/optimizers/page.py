"""Where every optimizer goes, in tables, contours and learning curves."""

from collections.abc import Mapping
from functools import partial

import jax
import numpy as np
from matplotlib.axes import Axes

import funclearn as fl
from experiments._data import label, power, quantity
from experiments._thermometer import LOSSES, Epoch, initial_params, rows_at
from experiments.harness import Outcome, Plot, Table, number
from experiments.harness.style import INK, PALETTE
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
    first_runs = {f"SGD, {number(config.first_learning_rate)}": result.first}
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
            Table(
                "dir(torch.optim), and what optax has: the first step on scaled "
                f"readings at a learning rate of {config.scaled_learning_rate:g}",
                ("torch.optim", "optax", "Step of w", "Step of b"),
                tuple(
                    (one.name, one.optax, *_step(one.step))
                    for one in result.counterparts
                ),
            ),
        ),
        plots={
            f"{name}_paths": Plot(
                f"On {name} readings: lines of equal loss, and where each optimizer "
                "goes from w = 1, b = 0, the ring; the dot is where it ends, the cross "
                "the least loss. How much of the way from ring to cross it has covered "
                "is counted in a straight line. The numbers are learning rates.",
                partial(_draw_paths, config, result, name, titles[name]),
                size=(5.2, 6.0),
                panels=(2, 2),
                layout={"sharex": True, "sharey": True},
            )
            for name in runs
        }
        | {
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


def _step(step: LinearParams | None) -> tuple[object, object]:
    # Adding 0 writes -0 as 0.
    return (step.weight + 0.0, step.bias + 0.0) if step else ("", "")


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


def covered(path: np.ndarray, best: LinearParams) -> float:
    """The part of the straight way from a path's start to the best that it covered."""
    start, end = (np.hypot(*(path[index] - np.stack(best))) for index in (0, -1))
    return float(1 - end / start) if start else 1.0


def _draw_paths(
    config: Config, result: Result, readings: str, title: str, *panels: Axes
) -> None:
    evaluate = fl.make_evaluation(fl.models.linear, LOSSES[config.loss].function)
    data, runs = result.datasets[readings], result.runs[readings]
    best = result.best[readings]
    paths = {name: _path(run.history) for name, run in runs.items()}
    everywhere = np.concatenate([*paths.values(), np.stack([best])])
    margins = 0.1 * np.ptp(everywhere, axis=0)
    low, high = everywhere.min(axis=0) - margins, everywhere.max(axis=0) + margins
    x_range, y_range = zip(low.tolist(), high.tolist(), strict=True)

    def loss_at(weight: jax.Array, bias: jax.Array) -> jax.Array:
        return evaluate(LinearParams(weight, bias), data)

    highest = np.max([run.history.loss for run in runs.values()])
    # A line through all readings has no loss, and zero no logarithm.
    lowest = max(evaluate(best, data), 1e-6 * highest)
    levels = np.geomspace(lowest, highest, 10)[1:]
    for place, (axes, (name, path)) in enumerate(
        zip(panels, paths.items(), strict=True)
    ):
        plots.contours(axes, loss_at, x_range, y_range, levels=levels)
        axes.plot(*path.T, color=PALETTE[place], linewidth=1.2)
        axes.plot(*path[0], "o", color=INK, fillstyle="none")
        axes.plot(*best, "+", color=INK, markersize=14)
        axes.plot(*path[-1], "o", color=PALETTE[place])
        axes.set(
            title=f"{name}:\n{covered(path, best):.0%} of the way",
            xlabel=label("w", result.readings.slope_unit),
            ylabel=label("b", result.readings.unit),
        )
        axes.label_outer()
    panels[0].figure.suptitle(title)


def _draw_losses(
    result: Result, titles: Mapping[str, str], ylabel: str, *panels: Axes
) -> None:
    for axes, (readings, runs) in zip(panels, result.runs.items(), strict=True):
        plots.learning_curves(axes, {name: runs[name].history.loss for name in runs})
        axes.axhline(result.least, color=INK, linewidth=0.8)
        axes.set(title=titles[readings], xscale="log", ylabel=ylabel)
        axes.label_outer()
