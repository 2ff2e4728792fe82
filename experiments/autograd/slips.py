"""Training loops as two of the texts print them, and what they do.

They are PyTorch's loops: `grad` stands for `params.grad`, and `tracked` for
`params.requires_grad`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from experiments.autograd.chapter import epoch, loss
from funclearn.models import LinearParams


class Slip(NamedTuple):
    """A loop of n epochs, and what came of it."""

    loop: str
    updates: int
    params: LinearParams
    loss: float


def guarded(
    epochs: int, rate: float, params: jax.Array, t_u: jax.Array, t_c: jax.Array
) -> tuple[int, jax.Array]:
    """All of the body stands under the `if` that guards `grad.zero_()`."""
    grad, updates = None, 0
    for _ in range(1, epochs + 1):
        if grad is not None:
            grad = jax.grad(loss)(params, t_u, t_c)
            params = params - rate * grad
            updates += 1
    return updates, params


def one_more(
    epochs: int, rate: float, params: jax.Array, t_u: jax.Array, t_c: jax.Array
) -> tuple[int, jax.Array]:
    """The range begins at 0 and ends after n."""
    updates = 0
    for _ in range(epochs + 1):
        params, _ = epoch(params, rate, t_u, t_c)
        updates += 1
    return updates, params


def lost_graph(
    epochs: int, rate: float, params: jax.Array, t_u: jax.Array, t_c: jax.Array
) -> tuple[int, jax.Array]:
    """Under `no_grad()`, `params = params - ...` makes a tensor that is not tracked."""
    tracked, updates = True, 0
    for _ in range(epochs + 1):
        if not tracked:  # here loss.backward() raises, as nothing requires a gradient
            break
        params, _ = epoch(params, rate, t_u, t_c)
        tracked = False
        updates += 1
    return updates, params


LOOPS = {
    "all under `if params.grad is not None`": guarded,
    "range(n_epochs + 1)": one_more,
    "params = params - ... under no_grad()": lost_graph,
}


def slips(
    epochs: int, rate: float, params: jax.Array, t_u: jax.Array, t_c: jax.Array
) -> list[Slip]:
    """Runs the loops."""
    found = []
    for name, loop in LOOPS.items():
        updates, end = loop(epochs, rate, params, t_u, t_c)
        value = loss(end, t_u, t_c)
        found.append(Slip(name, updates, LinearParams(*jnp.asarray(end)), float(value)))
    return found
