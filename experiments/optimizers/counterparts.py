"""What `dir(torch.optim)` lists, and what optax has in its place."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import optax

import funclearn as fl
from experiments._thermometer import initial_params, objective
from funclearn.models import LinearParams

COUNTERPARTS: Mapping[str, str | None] = {
    "ASGD": None,
    "Adadelta": "adadelta",
    "Adagrad": "adagrad",
    "Adam": "adam",
    "Adamax": "adamax",
    "LBFGS": "lbfgs",
    "Optimizer": "GradientTransformation",
    "RMSprop": "rmsprop",
    "Rprop": "rprop",
    "SGD": "sgd",
    "SparseAdam": None,
}


class Counterpart(NamedTuple):
    """A name of torch.optim, its counterpart, and the first step that this takes."""

    name: str
    optax: str
    step: LinearParams | None


def counterparts(data: fl.Dataset, learning_rate: float) -> list[Counterpart]:
    """The first step from w = 1, b = 0 of every optimizer that optax has as well."""
    makers = {name: getattr(optax, name) for name in COUNTERPARTS.values() if name}
    del makers["GradientTransformation"]  # what all of these are, and none by itself
    # With its line search L-BFGS needs no learning rate; the others have none.
    plain = {"lbfgs": {"linesearch": None}}

    @jax.jit
    def first_steps() -> dict[str, LinearParams]:
        params = initial_params()
        gradient = jax.grad(objective)(params, data, None)
        optimizers = {
            name: make(learning_rate, **plain.get(name, {}))
            for name, make in makers.items()
        }
        return {
            name: optimizer.update(gradient, optimizer.init(params), params)[0]
            for name, optimizer in optimizers.items()
        }

    steps = jax.device_get(first_steps())
    return [
        Counterpart(name, f"optax.{known}" if known else "none", steps.get(known))
        for name, known in COUNTERPARTS.items()
    ]
