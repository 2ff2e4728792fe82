"""Holds two of eleven readings back, and shows why nothing may be trained on them.

A model is judged by rows that it has not seen. The rows are split at random by an
explicit key, so the same key gives the same split everywhere. The training loss alone
is differentiated; the validation loss is taken beside it, at the same parameters.

If the validation loss were differentiated too it would fall further, and judge nothing:
its rows would be training rows. To see it, some rows are set aside that neither run
sees, in many random splits. The honest validation loss agrees with the loss on them;
the one that was trained on is far too low.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments._data import Readings, readings
from experiments._thermometer import LOSSES, LossName, initial_params
from experiments.harness import Count, Positive, Seed, Settings
from funclearn.models import LinearParams, linear

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Chapter notes: the mechanics of learning",
    "Reading notes on the book",
)
TRAINING_ROWS, VALIDATION_ROWS = [9, 6, 5, 8, 4, 7, 0, 1, 3], [2, 10]
PRINTED_EPOCHS = (1, 2, 3, 500, 1000, 1500, 2000, 2500, 3000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    csv: Path | None = None
    """File of two columns, in place of the thermometer's readings."""
    target: str | None = None
    """Its column to predict from the other one."""
    loss: LossName = "mse"
    """What is minimised: the mean squared or absolute error, or Huber's loss."""
    epochs: Count = 3000
    """Number of epochs of every run."""
    learning_rate: Positive = 1e-2
    """Learning rate on the scaled readings."""
    input_scale: Positive = 10.0
    """What the readings are divided by to scale them."""
    splits: Count = 1000
    """Number of random splits into training, validation and unseen rows."""
    seed: Seed = 0
    """Seed of the random splits."""


def losses_of(
    config: Config,
) -> tuple[Callable[..., jax.Array], Callable[..., jax.Array]]:
    """The objective `(params, batch, key)` and the evaluation `(params, rows)`."""
    loss = LOSSES[config.loss].function
    return fl.make_objective(linear, loss), fl.make_evaluation(linear, loss)


@partial(jax.jit, static_argnames=("config", "leak"))
def descend(
    train: fl.Dataset, validation: fl.Dataset, config: Config, *, leak: bool = False
) -> fl.Run:
    """Trains on the training loss or, with a leak, on the sum of both losses."""
    objective, evaluate = losses_of(config)

    def sum_of_losses(
        params: LinearParams, batch: fl.Dataset, key: jax.Array
    ) -> jax.Array:
        return objective(params, batch, key) + objective(params, validation, key)

    optimizer = optax.sgd(config.learning_rate)
    step = fl.make_train_step(sum_of_losses if leak else objective, optimizer)
    state = fl.init_state(jax.random.key(0), initial_params(), optimizer)
    return fl.fit(
        step, state, train, validation, epochs=config.epochs, evaluate=evaluate
    )


@partial(jax.jit, static_argnames="config")
def judge(keys: jax.Array, data: fl.Dataset, config: Config) -> list[list[jax.Array]]:
    """Trains without and with a leak, on one split for every key.

    Returns:
        For either training the losses `(keys,)` on validation and on unseen rows.
    """
    _, evaluate = losses_of(config)

    def losses(key: jax.Array) -> list[list[jax.Array]]:
        outer_key, inner_key = jax.random.split(key)
        train, held_out = fl.data.split(outer_key, data, 0.4)
        judges = fl.data.split(inner_key, held_out, 0.5)
        runs = [descend(train, judges[0], config, leak=leak) for leak in (False, True)]
        return [[evaluate(run.state.params, rows) for rows in judges] for run in runs]

    return jax.vmap(losses)(keys)


class Result(NamedTuple):
    """What the chapter finds.

    Attributes:
        readings: as they are, not scaled.
        splits: key -> the training and the validation rows that it draws.
        honest: the run that differentiates the training loss.
        leaky: the run that differentiates both losses.
        means: `(2, 2)`, the mean losses over the random splits: a row for either
            training, a column for validation and for unseen rows.
    """

    readings: Readings
    splits: dict[str, tuple[np.ndarray, np.ndarray]]
    honest: fl.Run
    leaky: fl.Run
    means: np.ndarray


def study(config: Config) -> Result:
    """Splits by keys, trains on one split, and lets the validation leak.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if a setting or the file is refused, or training diverged.
    """
    given = readings(config.csv, config.target)
    data = fl.data.Scaler(input_scale=config.input_scale)(given.data)
    key, other_key, judge_key = jax.random.split(jax.random.key(config.seed), 3)
    keys = {"one key": key, "the same key again": key, "another key": other_key}
    split, rows = jax.jit(fl.data.split), jnp.arange(len(data.inputs))
    splits = {name: jax.device_get(split(key, rows)) for name, key in keys.items()}
    # The published split is of the published readings.
    published = TRAINING_ROWS, VALIDATION_ROWS
    train, validation = (
        fl.Dataset(*(column[jnp.asarray(rows)] for column in data))
        for rows in (published if config.csv is None else splits["one key"])
    )
    honest = jax.device_get(descend(train, validation, config))
    leaky = jax.device_get(descend(train, validation, config, leak=True))
    judge_keys = jax.random.split(judge_key, config.splits)
    means = np.mean(judge(judge_keys, data, config), axis=2)
    if not np.isfinite(means).all():
        raise ValueError(
            f"training diverged; learning_rate must be less than "
            f"{config.learning_rate:g}, or input_scale greater than "
            f"{config.input_scale:g}."
        )
    return Result(given, splits, honest, leaky, means)
