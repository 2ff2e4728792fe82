"""How the losses of all splits spread, and where the published split is among them."""

import math
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from experiments._data import Readings, label, power, quantity
from experiments.harness import Outcome, Plot, Table, style
from experiments.split_uncertainty.chapter import Config, Result, study
from experiments.split_uncertainty.draws import make_explorable
from funclearn import plots
from funclearn.validation import CrossValidation, Losses


def run(config: Config) -> Outcome:
    """Cross-validates the line with random splits, with folds and row by row."""
    result = study(config)
    found, masks, random, published, by_kind = result
    unit = power(found.unit, 2)
    distinct = np.unique(masks, axis=0, return_index=True)[1]
    different = Losses(*(losses[distinct] for losses in random.losses))
    book = published.losses if published else None
    below = float(random.summary().validation_below_training)
    names = (
        ("Reading held back", "Its temperature (°C)")
        if config.csv is None
        else (f"Held back: {found.input_name}", found.target_name)
    )
    return Outcome(
        tables=(
            _splits_table(by_kind, unit),
            _readings_table(found, names, masks, random.losses),
        ),
        plots={
            "splits": Plot(
                f"The {len(distinct)} different ones among {config.splits} random "
                "splits. Below the line the validation loss is the lower one.",
                partial(_draw_splits, different, book, below, unit),
            ),
            "losses": Plot(
                f"The losses of {config.splits} random splits"
                f"{', and those of the published one' if book else ''}.",
                partial(_draw_losses, random.losses, book, unit),
            ),
        },
        explorables={"draws": make_explorable(result, config.input_scale, "losses")},
        findings=tuple(_findings(result, len(distinct))),
    )


def _findings(result: Result, distinct: int) -> Iterator[str]:
    random, unit = result.random, power(result.readings.unit, 2)
    n_splits, n_rows = result.masks.shape
    n_held_out = int(random.held_out[0])
    ways = math.comb(n_rows, n_held_out)
    yield (
        f"There are {ways if ways < 10**6 else 'millions of'} ways to hold "
        f"{n_held_out} of {n_rows} readings back; {n_splits} random splits hit "
        f"{distinct} of them."
    )
    summary = random.summary((0.05, 0.95))
    low, high = summary.quantiles.validation.tolist()
    below = float(summary.validation_below_training)
    yield (
        f"In 90% of the splits the validation loss is between {low:.3g} and "
        f"{quantity(f'{high:.3g}', unit)}; in {below:.1%} it is below the training "
        "loss."
    )
    if result.published:
        book = result.published.losses
        training, held_out = (
            quantity(f"{float(loss[0]):.3g}", unit) for loss in book[:2]
        )
        smaller = np.mean(random.losses.gap < book.gap)
        yield (
            f"The published split ends with {training} in training and {held_out} in "
            f"validation; {smaller:.0%} of the splits have a smaller gap."
        )


def _splits_table(results: Mapping[str, CrossValidation], unit: str) -> Table:
    rows = []
    for name, result in results.items():
        summary = result.summary((0.0, 1.0))
        mean, (least, most) = summary.mean, summary.quantiles.validation
        below = f"{float(summary.validation_below_training):.0%}"
        rows.append((name, *map(float, (*mean, least, most)), below))
    return Table(
        f"{label('Losses', unit)}: means over the rows, and the extremes of the "
        "validation loss",
        (
            "Splits",
            "Training",
            "Validation",
            "Gap",
            "Lowest",
            "Highest",
            "Gap below 0",
        ),
        tuple(rows),
    )


def _readings_table(
    found: Readings, names: tuple[str, str], masks: np.ndarray, losses: Losses
) -> Table:
    rows = []
    for reading, target, held_out in zip(*found.data, masks.T, strict=True):
        if held_out.any():
            means = (float(np.mean(loss[held_out])) for loss in losses[:2])
            rows.append((float(reading), float(target), *means))
    return Table(
        f"{label('Mean losses', power(found.unit, 2))} of the random splits that hold "
        "a reading back",
        (*names, "Training", "Validation"),
        tuple(rows),
    )


def _draw_splits(
    different: Losses, book: Losses | None, below: float, unit: str, axes: Axes
) -> None:
    lower = different.gap < 0
    for where, name, colour, marker in (
        (~lower, "validation loss higher", style.BLUE, "o"),
        (lower, "validation loss lower", style.VERMILLION, "v"),
    ):
        x, y = (losses[where] for losses in different[:2])
        axes.plot(x, y, marker, color=colour, markersize=4, label=name)
    if book:
        axes.plot(
            *book[:2],
            "s",
            markerfacecolor="none",
            markersize=10,
            color=style.INK,
            label="published split",
        )
    ends = np.array([different.training.min(), different.training.max()])
    axes.plot(ends, ends, "-", color=style.GREY, linewidth=1, label="equal losses")
    axes.set(
        title=f"One model, one data set: in {below:.0%} of the splits\n"
        "the unseen readings look easier",
        xlabel=label("Training loss", unit),
        ylabel=label("Validation loss", unit),
    )
    axes.legend()


def _draw_losses(losses: Losses, book: Losses | None, unit: str, axes: Axes) -> None:
    samples = {"training": losses.training, "validation": losses.validation}
    lines = plots.distributions(axes, samples, bins=40)
    training, held_out = (np.ptp(np.quantile(x, (0.05, 0.95))) for x in losses[:2])
    if book:
        for line, loss in zip(lines, book[:2], strict=True):
            axes.plot(
                loss,
                0,
                "o",
                color=line.get_color(),
                clip_on=False,
                zorder=3,
                label=f"{line.get_label()}, published split",
            )
    axes.legend()
    axes.set(
        title="The training losses agree;\nthe validation losses do not"
        if held_out > 2 * training
        else "How both losses spread over the splits",
        xlabel=label("Loss", unit),
        ylabel="Share of the splits",
    )
