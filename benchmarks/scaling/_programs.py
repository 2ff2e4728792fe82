"""The steps that are predicted: full batches of three models, by gradient descent."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import funclearn as fl
from benchmarks import images
from benchmarks.scaling._traffic import Collective, of_a_step

__all__ = ["PROGRAMS", "Program", "flops_of_a_row", "start", "words"]

KEY = jax.random.key(0)


class Program(NamedTuple):
    """What is trained.

    Attributes:
        model: the model.
        loss: the mean over the rows.
        rows: makes so many.
    """

    model: fl.Model
    loss: Any
    rows: Callable[[int], fl.Dataset]


def _readings(n_rows: int) -> fl.Dataset:
    inputs = jax.random.normal(KEY, (n_rows,))
    return fl.Dataset(inputs, 5 * inputs + 3)


def _sine(n_rows: int) -> fl.Dataset:
    inputs = jnp.linspace(-1, 1, n_rows)[:, None]
    return fl.Dataset(inputs, jnp.sin(jnp.pi * inputs))


PROGRAMS = {
    "line": Program(fl.models.linear, fl.losses.mse, _readings),
    "wide-net": Program(fl.models.wide_net, fl.losses.mse, _sine),
    "images": Program(
        images.network(images.PIXELS, images.HIDDEN, images.CLASSES),
        images.cross_entropy,
        images.images,
    ),
}
"""By name: the thermometer's line, 1-512-1 with tanh, and 784-256-10."""


def start(program: Program) -> tuple[Any, fl.TrainState]:
    """The train step, and the state to begin with."""
    optimizer = optax.sgd(1e-3)
    objective = fl.make_objective(program.model, program.loss)
    state = fl.init_state(KEY, program.model.init(KEY), optimizer)
    return fl.make_train_step(objective, optimizer), state


def _types(program: Program, n_rows: int) -> tuple[Any, fl.Dataset]:
    params = jax.eval_shape(program.model.init, KEY)
    return params, jax.eval_shape(lambda: program.rows(n_rows))


def words(program: Program, devices: int) -> list[Collective]:
    """What the devices tell each other in a step."""
    params, data = _types(program, devices)
    return of_a_step(params, data[:2], devices=devices)


def flops_of_a_row(program: Program) -> float:
    """Operations on floats of a step that one row more needs, as XLA counts them."""
    step, state = start(program)

    def of(n_rows: int) -> float:
        _, data = _types(program, n_rows)
        found: Any = jax.jit(step).lower(state, data).cost_analysis()
        return found["flops"]

    return (of(64) - of(32)) / 32
