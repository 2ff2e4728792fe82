"""What broadcasting does to shapes, and silently to a loss.

Arrays of unlike shapes can be added and multiplied: three rules say which entry meets
which. They save loops, and they hide a trap. Targets in a column, `(n, 1)`, taken from
predictions in a vector, `(n,)`, give all n² differences instead of n.

The mean of their squares is a number like any other and falls under gradient descent.
It is smallest where every prediction is the mean of all targets, so the thermometer's
line comes out flat, and no error says so. The losses of this library refuse unequal
shapes before anything is subtracted.
"""

import dataclasses
from collections.abc import Callable
from functools import partial, reduce
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments._thermometer import initial_params
from experiments.harness import Count, Positive, Settings
from funclearn.models import LinearParams, linear

SOURCES = ("Reading notes on the book", "Deep Learning with PyTorch, chapter 5")

Shape: TypeAlias = tuple[int, ...]

RULES: dict[str, list[Shape]] = {
    "Axes are matched from the last; a size of 1 is repeated": [(3, 1), (1, 3)],
    "Two sizes above 1 must be equal": [(2, 3), (2, 4)],
    "An axis that one array lacks repeats that array": [(3, 1), (2, 1, 1)],
}
PRODUCTS: dict[str, dict[str, Shape]] = {
    "broadcast-xxy": {"x": (1,), "y": (3, 1)},
    "broadcast-yxz": {"y": (3, 1), "z": (1, 3)},
    "broadcast-yxzxa": {"y": (3, 1), "z": (1, 3), "a": (2, 1, 1)},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    epochs: Count = 5000
    """Number of epochs of both fits."""
    learning_rate: Positive = 1e-2
    """Learning rate of both fits."""
    input_scale: Positive = 10.0
    """What the thermometer's readings are divided by."""


def careless_mse(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """The mean squared error of whatever broadcasts."""
    return jnp.mean((predictions - targets) ** 2)


def product(*shapes: Shape) -> Shape:
    """The shape that a product of arrays of these shapes has."""
    return jax.eval_shape(lambda: reduce(jnp.multiply, map(jnp.ones, shapes))).shape


def refusal(
    function: Callable[..., jax.Array], *arrays: jax.Array | np.ndarray
) -> str | None:
    """The message with which a function refuses arrays of these shapes."""
    try:
        jax.eval_shape(function, *arrays)
    except (TypeError, ValueError) as error:
        return str(error)
    return None


class Loss(NamedTuple):
    """The careless loss of two shapes, and whether anything refuses them."""

    predictions: Shape
    targets: Shape
    differences: Shape
    value: float
    refused_by_strict_promotion: bool
    refused_by_library: bool


def losses(data: fl.Dataset) -> list[Loss]:
    """The loss at w = 1, b = 0, by the shapes of predictions and targets."""
    vector, column, row = (-1,), (-1, 1), (1, -1)
    pairs = [(vector, vector), (vector, column), (column, row), (column, column)]
    found = []
    for shapes in pairs:
        # Where w = 1 and b = 0 the inputs are the predictions.
        predictions, targets = map(np.reshape, jax.device_get(data), shapes)
        with jax.numpy_rank_promotion("raise"):
            strict = refusal(careless_mse, predictions, targets)
        found.append(
            Loss(
                predictions.shape,
                targets.shape,
                product(predictions.shape, targets.shape),
                jax.jit(careless_mse)(predictions, targets).item(),
                strict is not None,
                refusal(fl.losses.mse, predictions, targets) is not None,
            )
        )
    return found


class Fit(NamedTuple):
    """A line, and the losses on the way to it."""

    line: LinearParams
    losses: jax.Array


@partial(jax.jit, static_argnames=("loss", "epochs"))
def train(
    data: fl.Dataset,
    learning_rate: float,
    loss: Callable[..., jax.Array],
    epochs: int,
) -> Fit:
    """Fits a line by gradient descent from w = 1, b = 0."""
    optimizer = optax.sgd(learning_rate)
    step = fl.make_train_step(fl.make_objective(linear, loss), optimizer)
    state = fl.init_state(jax.random.key(0), initial_params(), optimizer)
    run = fl.fit(step, state, data, epochs=epochs)
    return Fit(run.state.params, run.history.loss)


class Result(NamedTuple):
    """What the chapter finds.

    Attributes:
        data: the readings, scaled.
        rules: rule -> the shape of the product of its shapes, or the refusal.
        products: published figure -> the shape of the product of its factors.
        losses: the same loss of unlike shapes.
        fits: shape of the targets -> the line fitted to them.
        refusal: how the library refuses targets in a column.
    """

    data: fl.Dataset
    rules: dict[str, str]
    products: dict[str, Shape]
    losses: list[Loss]
    fits: dict[Shape, Fit]
    refusal: str | None


def study(config: Config) -> Result:
    """Applies the rules to shapes, to a loss, and to the line fitted with that loss."""
    data = fl.data.Scaler(input_scale=config.input_scale)(fl.data.thermometer())
    column = data._replace(targets=data.targets[:, None])
    fit = partial(train, learning_rate=config.learning_rate, epochs=config.epochs)
    # The trap is shown even to those whose settings forbid it.
    with jax.numpy_rank_promotion("allow"):
        return Result(
            data=data,
            rules={
                rule: refusal(jnp.multiply, *map(np.ones, shapes))
                or str(product(*shapes))
                for rule, shapes in RULES.items()
            },
            products={name: product(*PRODUCTS[name].values()) for name in PRODUCTS},
            losses=losses(data),
            fits={
                data.targets.shape: jax.device_get(fit(data, loss=fl.losses.mse)),
                column.targets.shape: jax.device_get(fit(column, loss=careless_mse)),
            },
            refusal=refusal(fl.losses.mse, *column),
        )
