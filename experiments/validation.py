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
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

import funclearn as fl
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch
from experiments._thermometer import (
    check_epochs,
    evaluate,
    initial_params,
    objective,
    rows_at,
)
from funclearn import plots

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Chapter notes: the mechanics of learning",
    "Reading notes on the book",
)
TRAINING_ROWS, VALIDATION_ROWS = [9, 6, 5, 8, 4, 7, 0, 1, 3], [2, 10]
PRINTED_EPOCHS = (1, 2, 3, 500, 1000, 1500, 2000, 2500, 3000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    epochs: int = 3000
    """Number of epochs of every run."""
    learning_rate: float = 1e-2
    """Learning rate on the scaled readings."""
    input_scale: float = 10.0
    """What the readings are divided by to scale them."""
    splits: int = 1000
    """Number of random splits into training, validation and unseen rows."""
    seed: int = 0
    """Seed of the random splits."""


@partial(jax.jit, static_argnames=("config", "leak"))
def descend(
    train: fl.Dataset, validation: fl.Dataset, config: Config, *, leak: bool = False
) -> fl.Run:
    """Trains on the training loss or, with a leak, on the sum of both losses."""

    def sum_of_losses(params, batch, key):
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

    def losses(key):
        outer_key, inner_key = jax.random.split(key)
        train, held_out = fl.data.split(outer_key, data, 0.4)
        judges = fl.data.split(inner_key, held_out, 0.5)
        runs = [descend(train, judges[0], config, leak=leak) for leak in (False, True)]
        return [[evaluate(run.state.params, rows) for rows in judges] for run in runs]

    return jax.vmap(losses)(keys)


def run(config: Config) -> Outcome:
    """Splits by keys, trains on the published split, and lets the validation leak."""
    check_epochs(config.epochs)
    raw = fl.data.thermometer()
    data = fl.data.Scaler(input_scale=config.input_scale)(raw)
    train, validation = (
        fl.Dataset(*(column[jnp.asarray(rows)] for column in data))
        for rows in (TRAINING_ROWS, VALIDATION_ROWS)
    )
    honest = jax.device_get(descend(train, validation, config))
    leaky = jax.device_get(descend(train, validation, config, leak=True))
    curves = {
        "training": honest.history.loss,
        "validation": honest.history.evaluation,
        "validation (trained on)": leaky.history.evaluation,
    }
    key, other_key, judge_key = jax.random.split(jax.random.key(config.seed), 3)
    keys = {"one key": key, "the same key again": key, "another key": other_key}
    split = jax.jit(fl.data.split)
    rows = jnp.arange(len(raw.inputs))
    splits = {name: jax.device_get(split(key, rows)) for name, key in keys.items()}
    means = np.mean(
        judge(jax.random.split(judge_key, config.splits), data, config), axis=2
    )
    sizes = [len(part) for part in splits["one key"]]
    training, judged, flattered = (loss[-1] for loss in curves.values())
    return Outcome(
        computed={
            "split-sizes": sizes,
            "validation-params": list(honest.state.params),
        }
        | {
            f"validation-epoch-{epoch}": {"training": row[0], "validation": row[1]}
            for epoch, row in rows_at(tuple(curves.values()), PRINTED_EPOCHS).items()
        },
        tables=(
            Table(
                "The key decides the split",
                ("Key", "Training rows", "Validation rows"),
                tuple(
                    (name, *(part.tolist() for part in parts))
                    for name, parts in splits.items()
                ),
            ),
            _losses_table(curves),
            Table(
                f"Mean loss (°C²) over {config.splits} random splits",
                ("Differentiated", "On validation rows", "On unseen rows"),
                (
                    ("the training loss", *means[0].tolist()),
                    ("the sum of both losses", *means[1].tolist()),
                ),
            ),
        ),
        plots={
            "curves": Plot(
                "Losses on the published split. The third curve belongs to a run that "
                "differentiates the validation loss too.",
                partial(_draw_curves, curves),
            ),
            "leak": Plot(
                f"Mean losses after training on {config.splits} random splits, on the "
                "validation rows and on rows that neither training saw.",
                partial(_draw_leak, means),
            ),
        },
        history=curves,
        findings=(
            f"Of {sum(sizes)} rows, {sizes[1]} are held back.",
            f"On the published split the training loss ends at {training:.4f} °C² and "
            f"the validation loss at {judged:.4f} °C².",
            f"Trained on, the validation loss ends at {flattered:.4f} °C².",
            f"Over {config.splits} random splits the honest validation loss is "
            f"{means[0, 0]:.2f} °C² on average, and that of unseen rows "
            f"{means[0, 1]:.2f} °C².",
            f"Trained on, it is {means[1, 0]:.2f} °C², and that of unseen rows "
            f"{means[1, 1]:.2f} °C².",
        ),
    )


def _losses_table(curves: dict[str, np.ndarray]) -> Table:
    rows = rows_at(tuple(curves.values()), PRINTED_EPOCHS)
    return Table(
        "The losses (°C²) on the published split",
        ("Epoch", *curves),
        tuple((epoch, *row) for epoch, row in rows.items()),
    )


def _draw_curves(curves: dict[str, np.ndarray]) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    plots.learning_curves(axes, curves)
    axes.set(
        title="Both losses fall together; trained on,\nthe validation loss flatters",
        xscale="log",
        ylabel="Loss (°C²)",
    )
    return figure


def _draw_leak(means: np.ndarray) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    groups = np.arange(2)
    for offset, judges, losses in zip(
        (-0.2, 0.2), ("validation rows", "unseen rows"), means.T, strict=True
    ):
        bars = axes.bar(groups + offset, losses, width=0.36, label=f"on {judges}")
        axes.bar_label(bars, fmt="%.1f")
    axes.legend(loc="upper center", ncols=2)
    axes.margins(y=0.25)
    axes.set(
        title="Trained on, the validation loss no longer\ntells how unseen rows fare",
        xlabel="What is differentiated",
        ylabel="Mean loss (°C²)",
    )
    axes.set_xticks(groups, ("the training loss", "the sum of both losses"))
    return figure


if __name__ == "__main__":
    launch(run, Config)
