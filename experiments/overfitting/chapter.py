"""Makes a model larger until it fits, and smaller until it stops overfitting.

A model that can do much makes its loss small at the points that it is given, and nobody
has asked it how to behave in between. What it does there is the first picture: the same
rows, fitted by polynomials of three degrees.

The sources' recipe for the size of a model has two steps: increase the size until it
fits, then scale it down until it stops overfitting. Here both are one sweep, over the
degree of a polynomial and over the width of a network with one hidden layer: all sizes,
on many noisy data sets, in one call each. A larger model can do all that a smaller one
can, so the least training loss that there is falls with the size; the loss on unseen
rows need not.

Four remedies may help a model that is too large: more data, a simpler model, a penalty
on large parameters, and noise on the inputs. Each is tried on the largest network, on
the same data sets.
"""

import dataclasses
import math
from functools import partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments._thermometer import LOSSES, LossName
from experiments.harness import (
    Count,
    NotNegative,
    Positive,
    Range,
    Seed,
    Settings,
)
from experiments.overfitting.families import Family, network, polynomial
from funclearn.sweeps import sweep

SOURCES = (
    "Chapter notes: the mechanics of learning",
    "Reading notes on the book",
    "Neuromatch, Gradient Descent and AutoGrad",
)
UNSEEN_ROWS = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    degrees: Annotated[tuple[int, ...], Range(0, 40)] = tuple(range(15))
    """Degrees of the polynomial."""
    compared: Annotated[tuple[int, ...], Range(0, 40)] = (0, 3, 14)
    """Degrees of the polynomials that are drawn between the points."""
    widths: Annotated[tuple[int, ...], Range(1, 4096)] = (1, 2, 3, 4, 6, 8, 16, 32, 64)
    """Numbers of hidden units of the network."""
    data_sets: Annotated[int, Range(1, 1000)] = 20
    """Number of noisy data sets, each with an initialisation of its own."""
    rows: Annotated[int, Range(2, 10_000)] = 16
    """Number of training rows."""
    more_rows: Annotated[int, Range(2, 10_000)] = 64
    """Number of training rows where there is more data."""
    noise: NotNegative = 0.25
    """Standard deviation of the noise on the targets."""
    loss: LossName = "mse"
    """Minimised, and judged by: mean squared or absolute error, or Huber's loss."""
    fit: Positive = 0.01
    """Training loss at which a model fits its rows."""
    penalty: NotNegative = 1e-3
    """Strength of the penalty on the squares of the parameters."""
    input_noise: NotNegative = 0.1
    """Standard deviation of the noise on the inputs."""
    epochs: Count = 3000
    """Number of epochs of every run."""
    learning_rate: Positive = 0.02
    """Learning rate of Adam."""
    seed: Seed = 0
    """Seed of the data sets and of the initialisations."""


class Losses(NamedTuple):
    """Losses on training rows and on unseen ones, `(..., data_sets)`."""

    training: Any
    unseen: Any


class Result(NamedTuple):
    """The losses of models of every size, and of the largest network with remedies.

    Attributes:
        sizes: "degree" and "width" -> losses `(sizes, data_sets)`.
        chosen: likewise, the positions of the first size that fits and of the one kept.
        remedies: remedy -> losses `(data_sets,)`.
        floor: the loss that the noise alone has on unseen rows.
    """

    sizes: dict[str, Losses]
    chosen: dict[str, tuple[int, int]]
    remedies: dict[str, Losses]
    floor: float


class Trial(NamedTuple):
    """What a run starts from: training rows, unseen rows, and a key for the rest."""

    seen: fl.Dataset
    unseen: fl.Dataset
    key: jax.Array


@partial(jax.jit, static_argnames="config")
def draw(keys: jax.Array, config: Config) -> tuple[Trial, Trial]:
    """One trial a key, with few training rows and with more."""

    def trials(key: jax.Array) -> tuple[Trial, Trial]:
        seen_key, unseen_key, key = jax.random.split(key, 3)
        unseen = fl.data.noisy_sine(unseen_key, UNSEEN_ROWS, config.noise)
        few, many = (
            fl.data.noisy_sine(seen_key, rows, config.noise)
            for rows in (config.rows, config.more_rows)
        )
        return Trial(few, unseen, key), Trial(many, unseen, key)

    return jax.vmap(trials)(keys)


def train(
    model: fl.Model,
    trial: Trial,
    config: Config,
    *,
    penalty: float = 0.0,
    input_noise: float = 0.0,
) -> Losses:
    """Trains a model, and judges it by rows that it has not seen."""
    loss = LOSSES[config.loss].function
    objective = fl.make_objective(
        model,
        loss,
        penalty=fl.losses.l2(penalty),
        input_noise=input_noise,
    )
    optimizer = optax.adam(config.learning_rate)
    init_key, run_key = jax.random.split(trial.key)
    state = fl.init_state(run_key, model.init(init_key), optimizer)
    step = fl.make_train_step(objective, optimizer)
    params = fl.fit(step, state, trial.seen, epochs=config.epochs).state.params
    evaluate = fl.make_evaluation(model, loss)
    return Losses(evaluate(params, trial.seen), evaluate(params, trial.unseen))


def over_sizes(
    family: Family,
    sizes: tuple[int, ...],
    trials: Trial,
    config: Config,
) -> Losses:
    """The losses `(sizes, data_sets)` of models of every size, in one sweep."""

    def run(size: jax.Array, trial: Trial) -> Losses:
        return train(family(max(sizes), size), trial, config)

    return jax.device_get(sweep(run, {"size": list(sizes), "trial": trials}).result)


def of_largest(trials: Trial, config: Config, **restraints: float) -> Losses:
    """The losses `(data_sets,)` of the largest network, restrained in some way."""
    largest = max(config.widths)
    model = network(largest, jnp.asarray(largest))

    def run(trial: Trial) -> Losses:
        return train(model, trial, config, **restraints)

    return jax.device_get(sweep(run, {"trial": trials}).result)


def choose(losses: Losses, fit: float) -> tuple[int, int]:
    """The recipe: positions of the first size that fits, or the last, and to keep."""
    training, unseen = (np.median(loss, axis=1) for loss in losses)
    (fitting,) = np.nonzero(training <= fit)
    kept = fits = int(fitting[0]) if fitting.size else len(training) - 1
    while kept > 0 and unseen[kept - 1] < unseen[kept]:
        kept -= 1
    return fits, kept


def loss_of_noise(config: Config) -> float:
    """The expected loss of normal noise, below which no model gets on unseen rows."""
    if config.loss == "mse":
        return config.noise**2
    if config.loss == "mae":
        return config.noise * math.sqrt(2 / math.pi)
    # Huber's loss is e²/2 for errors e up to 1, and |e| - 1/2 beyond.
    bound = 1 / config.noise if config.noise else math.inf
    density = math.exp(-(bound**2) / 2) / math.sqrt(2 * math.pi)
    within = math.erf(bound / math.sqrt(2))
    return config.noise**2 * within / 2 + config.noise * density - (1 - within) / 2


def study(config: Config) -> Result:
    """Follows the recipe with polynomials and networks, and tries the remedies.

    Raises:
        ValueError: if sizes do not increase, or training diverged.
    """
    _check_increasing("degrees", config.degrees)
    _check_increasing("widths", config.widths)
    keys = jax.random.split(jax.random.key(config.seed), config.data_sets)
    trials, larger_trials = draw(keys, config)
    losses = {
        "degree": over_sizes(polynomial, config.degrees, trials, config),
        "width": over_sizes(network, config.widths, trials, config),
    }
    chosen = {name: choose(loss, config.fit) for name, loss in losses.items()}
    networks = [Losses(*width) for width in zip(*losses["width"], strict=True)]
    remedies = {
        "nothing": networks[np.argmax(config.widths)],
        "more data": of_largest(larger_trials, config),
        "simpler model": networks[chosen["width"][1]],
        "penalty": of_largest(trials, config, penalty=config.penalty),
        "input noise": of_largest(trials, config, input_noise=config.input_noise),
    }
    if not all(np.isfinite(loss).all() for loss in jax.tree.leaves((losses, remedies))):
        raise ValueError(
            f"training diverged; learning_rate must be below {config.learning_rate}."
        )
    return Result(losses, chosen, remedies, loss_of_noise(config))


def _check_increasing(name: str, sizes: tuple[int, ...]) -> None:
    if sizes != tuple(sorted(set(sizes))):
        raise ValueError(f"{name} must increase; got {sizes}.")
