"""Every rule once, as functions of its numbers."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

import funclearn as fl

# (learning rate, a rate of decay, weight decay) -> optimizer.
MAKERS: dict[str, Callable[..., Any]] = {
    "sgd": lambda lr, beta, decay: fl.optimizers.sgd(lr, beta, 1 - beta, decay),
    "asgd": lambda lr, beta, decay: fl.optimizers.asgd(
        lr, decay, beta, t0=2, weight_decay=decay
    ),
    "adam": lambda lr, beta, decay: fl.optimizers.adam(
        lr, (0.9, beta), amsgrad=True, weight_decay=decay
    ),
    "sparse_adam": lambda lr, beta, decay: fl.optimizers.sparse_adam(
        lr, (beta, 0.9), 1e-3 + decay
    ),
    "adamax": lambda lr, beta, decay: fl.optimizers.adamax(
        lr, (beta, 0.9), weight_decay=decay
    ),
    "nadam": lambda lr, beta, decay: fl.optimizers.nadam(lr, (beta, 0.9), 1e-8, decay),
    "radam": lambda lr, beta, decay: fl.optimizers.radam(
        lr, (0.9, beta), weight_decay=decay, decoupled_weight_decay=True
    ),
    "adagrad": lambda lr, beta, decay: fl.optimizers.adagrad(lr, beta, decay, 0.1),
    "adadelta": lambda lr, beta, decay: fl.optimizers.adadelta(lr, beta, 1e-4, decay),
    "rmsprop": lambda lr, beta, decay: fl.optimizers.rmsprop(
        lr, beta, 1e-4, decay, beta, centered=True
    ),
    "rprop": lambda lr, beta, decay: fl.optimizers.rprop(lr, (beta, 1.2 + decay)),
    "adafactor": lambda lr, beta, decay: fl.optimizers.adafactor(
        lr, -beta, weight_decay=decay
    ),
    "muon": lambda lr, beta, decay: fl.optimizers.muon(lr, decay, beta),
}


def start(dtype=None):
    """A matrix, whose last row has a gradient of zero in all steps."""
    return jnp.array([[0.3, -0.2], [0.4, 0.5], [0.0, 0.0]], dtype)


def slope(params):
    """The gradient of a bent loss in all rows but the last."""
    return jnp.sinh(params) + jnp.array(
        [[0.3, -0.4], [-0.2, 0.1], [0, 0]], params.dtype
    )


def step(optimizer, params, state):
    """One step of gradient descent."""
    change, state = optimizer.update(slope(params), state, params)
    return params + change, state
