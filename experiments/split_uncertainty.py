"""Splits eleven readings in two 10,000 times, and trains on every split.

A split holds two readings back and trains on nine. How the validation loss compares
with the training loss is then a matter of luck: there are only 55 ways to choose two
readings of eleven, and each tells another story about the same model and the same data.
The published split is one of them.

A training run is a function, so the runs of all splits are one call, and what it
returns is not a loss but a distribution of losses. Where rows are few, look at that, or
hold every row out once, before you call a gap between two losses overfitting.
"""

import dataclasses
import math
from collections.abc import Mapping
from functools import partial

import jax
import numpy as np
import optax
from matplotlib.figure import Figure

import funclearn as fl
from experiments import _style
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch
from experiments._thermometer import evaluate, initial_params, objective
from experiments.validation import VALIDATION_ROWS
from funclearn import plots, validation
from funclearn.models import LinearParams
from funclearn.validation import CrossValidation, Losses

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Chapter notes: the mechanics of learning",
    "Reading notes on the book",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    splits: int = 10_000
    """Number of random splits."""
    validation_fraction: float = 0.2
    """Part of the readings that a random split holds back."""
    epochs: int = 3000
    """Number of epochs of every run."""
    learning_rate: float = 1e-2
    """Learning rate on the scaled readings."""
    input_scale: float = 10.0
    """What the readings are divided by to scale them."""
    seed: int = 0
    """Seed of the random splits."""


def make_splits(data: fl.Dataset, config: Config) -> dict[str, np.ndarray]:
    """The masks of the readings held back, by four ways to choose them."""
    split_key, fold_key = jax.random.split(jax.random.key(config.seed))
    published = np.isin(np.arange(len(data.inputs)), VALIDATION_ROWS)
    return {
        f"{config.splits} random splits": np.asarray(
            validation.hold_out(
                split_key, data, config.splits, config.validation_fraction
            )
        ),
        "the published split": published[None, :],
        "5 folds": np.asarray(fl.data.folds(fold_key, data, 5)),
        "one reading at a time": np.asarray(validation.leave_one_out(data)),
    }


def cross_validate(
    data: fl.Dataset, splits: Mapping[str, np.ndarray], config: Config
) -> dict[str, CrossValidation]:
    """Trains the line once for every split of every kind, in one call."""
    optimizer = optax.sgd(config.learning_rate)
    step = fl.make_train_step(objective, optimizer)

    def train(rows: fl.Dataset, _: fl.Dataset, key: jax.Array) -> LinearParams:
        state = fl.init_state(key, initial_params(), optimizer)
        return fl.fit(step, state, rows, epochs=config.epochs).state.params

    masks = np.concatenate([*splits.values()])
    result = jax.device_get(
        validation.cross_validate(
            jax.random.key(config.seed), train, data, masks, evaluate=evaluate
        )
    )
    ends = np.cumsum([len(masks) for masks in splits.values()])
    return {
        name: jax.tree.map(lambda leaf, end=end, n=n: leaf[end - n : end], result)
        for (name, masks), end in zip(splits.items(), ends, strict=True)
        for n in [len(masks)]
    }


def run(config: Config) -> Outcome:
    """Cross-validates the line with random splits, with folds and row by row.

    Raises:
        ValueError: if training diverged.
    """
    raw = fl.data.thermometer()
    data = fl.data.Scaler(input_scale=config.input_scale)(raw)
    splits = make_splits(data, config)
    results = cross_validate(data, splits, config)
    gaps = np.concatenate([result.losses.gap for result in results.values()])
    if diverged := np.sum(~np.isfinite(gaps)):
        raise ValueError(
            f"training diverged in {diverged} of {len(gaps)} splits; learning_rate "
            f"must be below {config.learning_rate}."
        )
    (random, masks), (book, _), *_ = zip(results.values(), splits.values(), strict=True)
    distinct = np.unique(masks, axis=0, return_index=True)[1]
    different = Losses(*(losses[distinct] for losses in random.losses))
    summary = random.summary((0.05, 0.95))
    low, high = summary.quantiles.validation.tolist()
    below = float(summary.validation_below_training)
    n_rows, n_held_out = len(raw.inputs), int(random.held_out[0])
    smaller = np.mean(random.losses.gap < book.losses.gap)
    return Outcome(
        tables=(
            _splits_table(results),
            _readings_table(raw, masks, random.losses),
        ),
        plots={
            "splits": Plot(
                f"The {len(distinct)} different ones among {config.splits} random "
                "splits. Below the line the validation loss is the lower one.",
                partial(_draw_splits, different, book.losses, below),
            ),
            "losses": Plot(
                f"The losses of {config.splits} random splits, and those of the "
                "published one.",
                partial(_draw_losses, random.losses, book.losses),
            ),
        },
        findings=(
            f"There are {math.comb(n_rows, n_held_out)} ways to hold {n_held_out} of "
            f"{n_rows} readings back; {config.splits} random splits hit "
            f"{len(distinct)} of them.",
            f"In 90% of the splits the validation loss is between {low:.2f} and "
            f"{high:.2f} °C²; in {below:.1%} it is below the training loss.",
            f"The published split ends with {book.losses.training[0]:.2f} °C² in "
            f"training and {book.losses.validation[0]:.2f} °C² in validation; "
            f"{smaller:.0%} of the splits have a smaller gap.",
        ),
    )


def _splits_table(results: Mapping[str, CrossValidation]) -> Table:
    rows = []
    for name, result in results.items():
        summary = result.summary((0.0, 1.0))
        mean, (least, most) = summary.mean, summary.quantiles.validation
        below = f"{float(summary.validation_below_training):.0%}"
        rows.append((name, *map(float, (*mean, least, most)), below))
    return Table(
        "Losses (°C²): means over the rows, and the extremes of the validation loss",
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


def _readings_table(raw: fl.Dataset, masks: np.ndarray, losses: Losses) -> Table:
    rows = []
    for reading, celsius, held_out in zip(*raw, masks.T, strict=True):
        if held_out.any():
            means = (float(np.mean(loss[held_out])) for loss in losses[:2])
            rows.append((float(reading), float(celsius), *means))
    return Table(
        "Mean losses (°C²) of the random splits that hold a reading back",
        ("Reading held back", "Its temperature (°C)", "Training", "Validation"),
        tuple(rows),
    )


def _draw_splits(different: Losses, book: Losses, below: float) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    lower = different.gap < 0
    for where, label, colour, marker in (
        (~lower, "validation loss higher", _style.BLUE, "o"),
        (lower, "validation loss lower", _style.VERMILLION, "v"),
    ):
        x, y = (losses[where] for losses in different[:2])
        axes.plot(x, y, marker, color=colour, markersize=4, label=label)
    axes.plot(
        *book[:2],
        "s",
        markerfacecolor="none",
        markersize=10,
        color=_style.INK,
        label="published split",
    )
    ends = np.array([different.training.min(), different.training.max()])
    axes.plot(ends, ends, "-", color=_style.GREY, linewidth=1, label="equal losses")
    axes.set(
        title=f"One model, one data set: in {below:.0%} of the splits\n"
        "the unseen readings look easier",
        xlabel="Training loss (°C²)",
        ylabel="Validation loss (°C²)",
    )
    axes.legend()
    return figure


def _draw_losses(losses: Losses, book: Losses) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    samples = {"training": losses.training, "validation": losses.validation}
    lines = plots.distributions(axes, samples, bins=40)
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
        title="The training losses agree;\nthe validation losses do not",
        xlabel="Loss (°C²)",
        ylabel="Share of the splits",
    )
    return figure


if __name__ == "__main__":
    launch(run, Config)
