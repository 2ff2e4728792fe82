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
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import optax

import funclearn as fl
from experiments._data import Readings, readings
from experiments._thermometer import evaluate, initial_params, objective
from experiments.harness import Count, Fraction, Positive, Seed, Settings
from experiments.validation.chapter import VALIDATION_ROWS
from funclearn import validation
from funclearn.models import LinearParams
from funclearn.validation import CrossValidation

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Chapter notes: the mechanics of learning",
    "Reading notes on the book",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    csv: Path | None = None
    """File of two columns, in place of the thermometer's readings."""
    target: str | None = None
    """Its column to predict from the other one."""
    splits: Count = 10_000
    """Number of random splits."""
    validation_fraction: Fraction = 0.2
    """Part of the readings that a random split holds back."""
    epochs: Count = 3000
    """Number of epochs of every run."""
    learning_rate: Positive = 1e-2
    """Learning rate on the scaled readings."""
    input_scale: Positive = 10.0
    """What the readings are divided by to scale them."""
    seed: Seed = 0
    """Seed of the random splits."""


class Result(NamedTuple):
    """The readings, and what training on every split of them led to.

    Attributes:
        readings: as they are, not scaled.
        masks: `(splits, readings)`, the readings that the random splits hold back.
        random: the losses of the random splits.
        published: those of the published split; None where the data are others.
        by_kind: way to choose the splits -> their losses.
    """

    readings: Readings
    masks: np.ndarray
    random: CrossValidation
    published: CrossValidation | None
    by_kind: dict[str, CrossValidation]


PUBLISHED = "the published split"


def make_splits(data: fl.Dataset, config: Config) -> dict[str, np.ndarray]:
    """The masks of the readings held back, by several ways to choose them.

    The random splits come first.
    """
    split_key, fold_key = jax.random.split(jax.random.key(config.seed))
    random = validation.hold_out(
        split_key, data, config.splits, config.validation_fraction
    )
    splits = {f"{config.splits} random splits": np.asarray(random)}
    if config.csv is None:
        published = np.isin(np.arange(len(data.inputs)), VALIDATION_ROWS)
        splits[PUBLISHED] = published[None, :]
    splits["5 folds"] = np.asarray(fl.data.folds(fold_key, data, 5))
    splits["one reading at a time"] = np.asarray(validation.leave_one_out(data))
    return splits


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


def study(config: Config) -> Result:
    """Cross-validates the line with random splits, with folds and row by row.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if the file is not as it must be, or training diverged.
    """
    found = readings(config.csv, config.target)
    data = fl.data.Scaler(input_scale=config.input_scale)(found.data)
    splits = make_splits(data, config)
    results = cross_validate(data, splits, config)
    gaps = np.concatenate([result.losses.gap for result in results.values()])
    if diverged := np.sum(~np.isfinite(gaps)):
        raise ValueError(
            f"training diverged in {diverged} of {len(gaps)} splits; learning_rate "
            f"must be below {config.learning_rate}."
        )
    (name, masks), *_ = splits.items()
    return Result(found, masks, results[name], results.get(PUBLISHED), results)
