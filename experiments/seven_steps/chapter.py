"""The seven steps of learning, on functions small enough to follow by hand.

A machine (1) draws weights, (2) predicts with them, (3) measures the loss, (4) takes
its gradient, (5) steps against it, (6) repeats from 2 and (7) stops at some point. Here
the prediction is the square of every weight and the loss is their sum, so the bottom
lies at zero and nothing is hidden.

The gradient could be had without calculus, by nudging one weight at a time and watching
the loss. The answer is the same; the price grows with the number of weights, while that
of the gradient stays within that of two evaluations of the loss.

How far to step is the learning rate. On x² a step multiplies x by 1 - 2 · rate: a tiny
rate crawls, a rate of 1 jumps between two points for ever, a larger one blows up. A
rule stops each run where it is good enough, getting worse or out of time. The same runs
without the rule show what it saves.
"""

import dataclasses
from collections.abc import Callable
from typing import Annotated, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments.harness import Count, Positive, Positives, Range, Seed, Settings

SOURCES = ("Foundations for machine learning",)
ROUND_RATE = 0.1
REASONS = {
    "target": "good enough",
    "getting_worse": "getting worse",
    "max_epochs": "out of time",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    seed: Seed = 0
    """Seed of the weights that step 1 draws."""
    start: Annotated[float, Range(-1e18, 1e18)] = 3.0
    """Where the runs on x² start."""
    learning_rates: Positives = (0.001, 0.1, 1.0, 1.1)
    """Learning rates to compare on x²."""
    epochs: Count = 25
    """Number of epochs until time is out."""
    good_enough: Positive = 0.01
    """Loss at which a run is good enough."""
    weight_counts: Annotated[tuple[int, ...], Range(1, 1024)] = (1, 4, 16, 64)
    """Numbers of weights for which to count what a gradient costs."""


def predict(weights: jax.Array) -> jax.Array:
    """The model: the square of every weight."""
    return weights**2


def loss(weights: jax.Array) -> jax.Array:
    """The sum of the predictions; the smaller the better."""
    return jnp.sum(predict(weights))


Scalar: TypeAlias = jax.Array | float
Path: TypeAlias = tuple[jax.Array, jax.Array]


def learn(
    weights: jax.Array, learning_rate: Scalar, epochs: int
) -> tuple[jax.Array, Path]:
    """Takes steps 2 to 7; returns the last weights, and weights and loss by epoch."""

    def epoch(weights: jax.Array, _: None) -> tuple[jax.Array, Path]:
        value, gradient = jax.value_and_grad(loss)(weights)  # steps 2, 3 and 4
        return weights - learning_rate * gradient, (weights, value)  # step 5

    return jax.lax.scan(epoch, weights, length=epochs)  # steps 6 and 7


def first_round(config: Config) -> list[np.ndarray]:
    """Takes the seven steps with three weights; returns what each of them gives."""

    @jax.jit
    def steps(key: jax.Array) -> tuple[jax.Array, ...]:
        weights = jax.random.normal(key, (3,))
        value, gradient = jax.value_and_grad(loss)(weights)
        last, (_, losses) = learn(weights, ROUND_RATE, config.epochs)
        return (
            *(weights, predict(weights), value, gradient),
            *(weights - ROUND_RATE * gradient, losses[:2], loss(last)),
        )

    return list(jax.device_get(steps(jax.random.key(config.seed))))


def learn_until_stopped(learning_rate: Scalar, config: Config) -> fl.Run:
    """Takes steps 2 to 6 with the library, and step 7 with its rules."""

    def objective(weights: jax.Array, batch: object, key: object) -> jax.Array:
        return loss(weights)

    optimizer = optax.sgd(learning_rate)
    start = jnp.float32(config.start)
    return fl.fit(
        fl.make_train_step(objective, optimizer),
        fl.init_state(jax.random.key(0), start, optimizer),
        jnp.zeros(1),  # The loss needs no data, but fit does.
        epochs=config.epochs,
        stop=fl.stopping.target(config.good_enough)
        | fl.stopping.getting_worse()
        | fl.stopping.max_epochs(config.epochs),
    )


class Descent(NamedTuple):
    """A run on x²: what it does, when and why it stops, and every x and loss.

    Positions and losses are those of the run that no rule stops.
    """

    learning_rate: float
    verdict: str
    stop: int
    reason: str
    positions: np.ndarray
    losses: np.ndarray


def descend(config: Config) -> tuple[Descent, ...]:
    """Runs every learning rate, with the rules and without."""

    @jax.jit
    @jax.vmap
    def both(learning_rate: jax.Array) -> tuple[fl.Run, Path]:
        start = jnp.float32(config.start)
        _, path = learn(start, learning_rate, config.epochs)
        return learn_until_stopped(learning_rate, config), path

    runs, (positions, losses) = jax.device_get(both(np.array(config.learning_rates)))
    reasons = [REASONS[name] for name in runs.reason.name]
    return tuple(
        Descent(rate, verdict(reason, curve), int(stop), reason, x, curve)
        for rate, reason, stop, x, curve in zip(
            config.learning_rates, reasons, runs.epochs, positions, losses, strict=True
        )
    )


def verdict(reason: str, losses: np.ndarray) -> str:
    """What a run does that stops for this reason."""
    stuck = "bounces for ever" if losses[-1] == losses[0] else "crawls"
    verdicts = {"good enough": "works", "getting worse": "blows up"}
    return verdicts.get(reason, stuck)


def refusals(integers: np.ndarray) -> dict[str, str]:
    """What JAX and the library say where the weights are integers."""
    library = fl.gradients.autodiff(lambda weights, batch, key: loss(weights))
    askers = {
        "jax.grad": lambda: jax.grad(loss)(integers),
        "funclearn.gradients.autodiff": lambda: library(integers, None, None),
    }
    return {name: message(ask) for name, ask in askers.items()}


def message(ask: Callable[[], object]) -> str:
    """What the refusal says, if it is one."""
    try:
        return f"no refusal: {ask()}"
    except TypeError as error:
        return str(error)


class Result(NamedTuple):
    """What the chapter finds.

    Attributes:
        round: what each of the seven steps gives.
        descents: one for every learning rate.
        value: of the loss at x = 3.
        slope: of the loss there.
        gradient: at (3, 5, 12).
        refusals: who refuses integers -> how.
    """

    round: list[np.ndarray]
    descents: tuple[Descent, ...]
    value: float
    slope: float
    gradient: list[float]
    refusals: dict[str, str]


def study(config: Config) -> Result:
    """Takes the seven steps, and compares learning rates.

    Raises:
        ValueError: if `epochs` is less than 1.
    """
    value, slope = map(float, jax.jit(jax.value_and_grad(loss))(3.0))
    return Result(
        round=first_round(config),
        descents=descend(config),
        value=value,
        slope=slope,
        gradient=jax.jit(jax.grad(loss))(np.array([3.0, 5.0, 12.0])).tolist(),
        refusals=refusals(np.array([3, 5, 12])),
    )
