"""Fits a line to eleven thermometer readings by gradient descent.

A thermometer shows readings in an unknown unit, and eleven of them are known in
degrees Celsius. The model is a line, the loss its mean squared error:

    t_c     = w t_u + b
    L(w, b) = mean((w t_u + b - t_c)²)

How the loss changes with w and with b can be measured, by nudging each a little, or
derived by hand; gradient descent then steps against it. On the raw readings the loss is
far steeper in w than in b, so no learning rate suits both: a large one makes the loss
explode, a small one leaves b where it was. With the readings divided by ten the slopes
are closer to each other, and the same descent finds the line.
"""

import dataclasses
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments._data import Readings, readings
from experiments._thermometer import (
    Epoch,
    evaluate,
    initial_params,
    objective,
    train,
)
from experiments.harness import Count, Positive, Settings
from funclearn.models import LinearParams

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Reading notes on the book",
    "PyTorch autograd and training models",
)
PRINTED_EPOCHS = (1, 2, 3, 10, 11, 99, 100)

Scalar: TypeAlias = jax.Array | float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    csv: Path | None = None
    """File of two columns, in place of the thermometer's readings."""
    target: str | None = None
    """Its column to predict from the other one."""
    epochs: Count = 5000
    """Number of epochs of every run."""
    large_learning_rate: Positive = 1e-2
    """Learning rate that explodes on raw readings, and works on scaled ones."""
    small_learning_rate: Positive = 1e-4
    """Learning rate that stalls on raw readings."""
    input_scale: Positive = 10.0
    """What the readings are divided by to scale them."""
    nudge: Positive = 0.1
    """How far a parameter is moved, up and down, to measure a slope of the loss."""


# By hand: everything that gradient descent needs, in the order of the book.


def model(t_u: jax.Array, w: Scalar, b: Scalar) -> jax.Array:
    """The line."""
    return w * t_u + b


def loss_fn(t_p: jax.Array, t_c: jax.Array) -> jax.Array:
    """The mean squared error of predictions `(n,)`."""
    return jnp.mean((t_p - t_c) ** 2)


def loss_at(params: jax.Array, t_u: jax.Array, t_c: jax.Array) -> jax.Array:
    """The loss as a function of the parameters, (w, b)."""
    return loss_fn(model(t_u, *params), t_c)


@jax.jit
def nudged_gradient(
    params: jax.Array, t_u: jax.Array, t_c: jax.Array, nudge: float
) -> jax.Array:
    """How fast the loss rises where w alone is moved, and where b alone is."""
    rises = [
        loss_at(params + move, t_u, t_c) - loss_at(params - move, t_u, t_c)
        for move in nudge * jnp.eye(2)
    ]
    return jnp.stack(rises) / (2 * nudge)


def dloss_dmodel(t_p: jax.Array, t_c: jax.Array) -> jax.Array:
    """The derivative of the loss by every prediction."""
    return 2 * (t_p - t_c) / t_p.size


def dmodel_dw(t_u: jax.Array) -> jax.Array:
    """The derivative of every prediction by w."""
    return t_u


def dmodel_db(t_u: jax.Array) -> jax.Array:
    """The derivative of every prediction by b."""
    return jnp.ones_like(t_u)


def gradient(t_u: jax.Array, t_c: jax.Array, t_p: jax.Array) -> jax.Array:
    """The chain rule: dL/dw and dL/db, summed over the readings."""
    by_prediction = dloss_dmodel(t_p, t_c)
    dloss_dw = jnp.sum(by_prediction * dmodel_dw(t_u))
    dloss_db = jnp.sum(by_prediction * dmodel_db(t_u))
    return jnp.stack([dloss_dw, dloss_db])


@jax.jit
def epoch(
    params: jax.Array, learning_rate: float, t_u: jax.Array, t_c: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Predicts, measures, steps; returns the new parameters, and what it saw and did.

    The loss and the gradient are those before the step.
    """
    t_p = model(t_u, *params)
    loss, grad = loss_fn(t_p, t_c), gradient(t_u, t_c, t_p)
    params = params - learning_rate * grad
    return params, jnp.stack([loss, *params, *grad])


def training_loop(
    epochs: int,
    learning_rate: float,
    params: jax.Array,
    t_u: jax.Array,
    t_c: jax.Array,
) -> Epoch:
    """Repeats the epoch, until the loss is too large for a number if it comes to that.

    Returns:
        Every epoch; the page prints some, as the book does.
    """
    rows = []
    for _ in range(epochs):
        params, row = epoch(params, learning_rate, t_u, t_c)
        rows.append(row)
        if not jnp.isfinite(row[0]):
            break
    return Epoch(*np.transpose(jax.device_get(rows)))


# With the library: the same, from its parts.

by_hand = fl.gradients.given(fl.analytic.linear_mse)


@partial(jax.jit, static_argnames="nudge")
def slopes(data: fl.Dataset, nudge: float) -> list[LinearParams]:
    """The gradient at the start: measured by nudging, and derived by hand."""
    start, key = initial_params(), jax.random.key(0)
    methods = (fl.gradients.finite_difference(step=nudge), by_hand)
    return [method(objective)(start, data, key)[1] for method in methods]


@jax.jit
def nudged_losses(data: fl.Dataset, moves: np.ndarray) -> list[jax.Array]:
    """The loss around the start, where w alone is moved and where b alone is."""
    weight, bias = initial_params()

    def losses(move: jax.Array) -> list[jax.Array]:
        nudged = LinearParams(weight + move, bias), LinearParams(weight, bias + move)
        return [evaluate(params, data) for params in nudged]

    return jax.vmap(losses)(jnp.asarray(moves))


class Start(NamedTuple):
    """The gradient at w = 1, b = 0: by nudging and by the chain rule, both twice."""

    measured: LinearParams
    derived: LinearParams
    measured_by_hand: np.ndarray
    derived_by_hand: np.ndarray


class Descent(NamedTuple):
    """A run, of `funclearn.fit` and of the loop above."""

    fit: fl.Run
    loop: Epoch


class Result(NamedTuple):
    """What the chapter finds.

    Attributes:
        readings: as they are.
        starts: "raw" and "scaled" -> the gradient at the start.
        moves: of w or of b, from the start.
        nudged: the losses there, on raw readings.
        exploding: raw readings, the large learning rate.
        stalling: raw readings, the small one.
        learning: scaled readings, the large one.
        line: where the last run ends, in original units.
    """

    readings: Readings
    starts: dict[str, Start]
    moves: np.ndarray
    nudged: list[np.ndarray]
    exploding: Descent
    stalling: Descent
    learning: Descent
    line: LinearParams


def begin(data: fl.Dataset, nudge: float) -> Start:
    """Finds the gradient at the start, with the library and by hand."""
    t_u, t_c = map(jnp.asarray, data)
    start = jnp.stack(initial_params())
    measured = nudged_gradient(start, t_u, t_c, nudge)
    derived = jax.jit(gradient)(t_u, t_c, model(t_u, *start))
    return Start(*jax.device_get((*slopes(data, nudge), measured, derived)))


def descend(data: fl.Dataset, learning_rate: float, epochs: int) -> Descent:
    """Descends from w = 1, b = 0, with the library and by hand."""
    fit = train(
        data,
        optax.sgd(learning_rate),
        gradient=by_hand,
        epochs=epochs,
        stop=fl.stopping.diverged(),
    )
    start = jnp.stack(initial_params())
    loop = training_loop(epochs, learning_rate, start, *map(jnp.asarray, data))
    return Descent(fit, loop)


def study(config: Config) -> Result:
    """Measures the gradient, derives it, and descends along it three times.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if a setting or the file is refused.
    """
    given = readings(config.csv, config.target)
    raw, scaler = given.data, fl.data.Scaler(input_scale=config.input_scale)
    scaled = scaler(raw)
    large, small = config.large_learning_rate, config.small_learning_rate
    learning = descend(scaled, large, config.epochs)
    moves = config.nudge * np.linspace(-2, 2, 41)
    return Result(
        readings=given,
        starts={
            "raw": begin(raw, config.nudge),
            "scaled": begin(scaled, config.nudge),
        },
        moves=moves,
        nudged=jax.device_get(nudged_losses(raw, moves)),
        exploding=descend(raw, large, config.epochs),
        stalling=descend(raw, small, config.epochs),
        learning=learning,
        line=scaler.unscale(learning.fit.state.params),
    )
