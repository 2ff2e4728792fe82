"""Lets JAX derive the gradient, and says what stands for each word of PyTorch's.

Autodiff applies the chain rule to a program, backwards, so nobody has to derive the
gradient of the thermometer's loss by hand. The training loop takes the way to the
gradient as an argument. Here it runs with autodiff, with the formula derived by hand
and with finite differences, and the three are compared at every epoch.

PyTorch records operations on tensors and stores the gradient in them. JAX transforms
functions: the gradient is what another function returns. So there is nothing to mark,
to zero or to switch off; what PyTorch has a word for is done by calling one function or
another.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments._data import Readings, readings
from experiments._thermometer import Epoch, initial_params, train
from experiments.harness import Count, Positive, Settings
from funclearn.models import LinearParams

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Chapter notes: the mechanics of learning",
    "Reading notes on the book",
    "Neuromatch, Gradient Descent and AutoGrad",
    "PyTorch autograd and training models",
)
PRINTED_EPOCHS = range(500, 5001, 500)

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
    learning_rate: Positive = 1e-2
    """Learning rate on the scaled readings."""
    input_scale: Positive = 10.0
    """What the readings are divided by to scale them."""
    nudge: Positive = 0.1
    """How far the finite differences move a parameter, up and down."""


# By hand: all but the gradient, in the order of the book.


def model(t_u: jax.Array, w: Scalar, b: Scalar) -> jax.Array:
    """The line, as the texts write it."""
    return w * t_u + b


def loss_fn(t_p: jax.Array, t_c: jax.Array) -> jax.Array:
    """The mean squared error of predictions `(n,)`."""
    return jnp.mean((t_p - t_c) ** 2)


def loss(params: jax.Array | LinearParams, t_u: jax.Array, t_c: jax.Array) -> jax.Array:
    """The loss of the parameters, unpacked as the texts do."""
    return loss_fn(model(t_u, *params), t_c)


@jax.jit
def epoch(
    params: jax.Array, learning_rate: float, t_u: jax.Array, t_c: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """One round; returns the new parameters, and what it saw and did.

    Nothing is marked before it and nothing is zeroed: the gradient is a value that the
    function returns, and the next round returns another.
    """
    value, grad = jax.value_and_grad(loss)(params, t_u, t_c)  # forward and backward
    params = params - learning_rate * grad
    return params, jnp.stack([value, *params, *grad])


def training_loop(
    epochs: int,
    learning_rate: float,
    params: jax.Array,
    t_u: jax.Array,
    t_c: jax.Array,
) -> Epoch:
    """Repeats the round.

    Returns:
        Every epoch; the page prints some, as the book does.
    """
    rows = []
    for _ in range(epochs):
        params, row = epoch(params, learning_rate, t_u, t_c)
        rows.append(row)
    return Epoch(*np.transpose(jax.device_get(rows)))


# With the library: the gradient is an argument of the training step.


class Result(NamedTuple):
    """What the chapter finds.

    Attributes:
        readings: as they are, not scaled.
        gradient: by autodiff on raw readings, at w = 1, b = 0.
        runs: way to the gradient -> the run of `funclearn.fit`.
        loop: the run of the loop above.
        piled_up: loss and gradient, by epoch, where no gradient is ever zeroed.
    """

    readings: Readings
    gradient: LinearParams
    runs: dict[str, fl.Run]
    loop: Epoch
    piled_up: tuple[np.ndarray, ...]


def study(config: Config) -> Result:
    """Trains by hand, with three gradients, and with one that piles up.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if a setting or the file is refused, or training diverged.
    """
    given = readings(config.csv, config.target)
    scaled = fl.data.Scaler(input_scale=config.input_scale)(given.data)
    rate, start = config.learning_rate, jnp.stack(initial_params())
    optimizer = optax.sgd(rate)
    methods = {
        "autodiff": fl.gradients.autodiff,
        "by hand": fl.gradients.given(fl.analytic.linear_mse),
        "finite differences": fl.gradients.finite_difference(step=config.nudge),
    }
    runs = {
        name: train(scaled, optimizer, gradient=method, epochs=config.epochs)
        for name, method in methods.items()
    }
    if not np.isfinite(runs["autodiff"].final.loss):
        raise ValueError(
            f"training diverged; learning_rate must be less than {rate:g}, or "
            f"input_scale greater than {config.input_scale:g}."
        )
    # Gradients that nobody zeroes pile up, as in a trace that never decays.
    piled_up = train(
        scaled,
        optax.chain(optax.trace(decay=1.0), optimizer),
        epochs=config.epochs,
        record=lambda state, info, _: (info.loss, *state.opt_state[0].trace),
    )
    return Result(
        readings=given,
        gradient=jax.grad(loss)(initial_params(), *given.data),
        runs=runs,
        loop=training_loop(config.epochs, rate, start, *map(jnp.asarray, scaled)),
        piled_up=piled_up.history,
    )
