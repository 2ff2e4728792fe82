"""Parameters, and what is noted beside them while a model trains.

Running means, spectral norms, averages of the weights: they go from step to step with
the parameters, but no gradient is taken of them, and no optimizer, penalty or rule sees
them. A model has notes of its own, a train step may add averages of the weights:

    params                            a model without notes
    Noted(params, notes)              a model with notes
    Noted(params, Averages(...))      either, trained by a step that averages
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

from funclearn._types import Params
from funclearn._words import described

__all__ = [
    "Averages",
    "Noted",
    "averaged",
    "bound",
    "evaluated",
    "has_averages",
    "moved",
    "own",
    "trainable",
    "with_own",
    "with_trainable",
]


class Noted(NamedTuple):
    """What a model is applied to that takes notes; `state.params` of its runs.

    Attributes:
        params: what is trained, a pytree of floating-point arrays.
        notes: what the model noted so far, any pytree of arrays; `Averages`, which hold
            the model's own, where the train step averages the weights.
    """

    params: Params
    notes: PyTree


class Averages(NamedTuple):
    """What a train step that averages the weights keeps beside them.

    `funclearn.training.averaged` reads the average, `latest` the parameters.

    Attributes:
        average: of what the model is applied to, in its structure: the parameters, in a
            `Noted` pair with its notes where it takes notes. Notes that are not
            floating-point are those of the last update of the average.
        updates: how many there are in it; with none it has no meaning.
        epoch: with `swa` the epoch whose end is not in it yet, -1 if there is none:
            until a step of the next one, the parameters stand for its end. None with
            `ema`.
        notes: the model's own notes; None where it takes none.
    """

    average: Params
    updates: Int[Array, "*lanes"]
    epoch: Int[Array, "*lanes"] | None
    notes: PyTree


def trainable(params: Params) -> Params:
    """The part that is trained: all of it where there are no notes."""
    return params.params if isinstance(params, Noted) else params


def with_trainable(params: Params, free: Params) -> Params:
    """The same with another part that is trained."""
    return params._replace(params=free) if isinstance(params, Noted) else free


def own(params: Params) -> Params:
    """What the model itself is applied to, as it is now: without averages."""
    if not has_averages(params):
        return params
    averages = params.notes
    noted = isinstance(averages.average, Noted)
    return Noted(params.params, averages.notes) if noted else params.params


def with_own(params: Params, new: Params) -> Params:
    """The same with another part that the model itself is applied to."""
    if not has_averages(params):
        return new
    notes = new.notes if isinstance(new, Noted) else None
    return Noted(trainable(new), params.notes._replace(notes=notes))


def averaged(params: Params) -> Params:
    """The average of the weights, to which the model can be applied.

    Args:
        params: such as `run.state.params`, of a train step that averages.

    Returns:
        The average, in the structure of what the model is applied to; the parameters
        as they are now, where nothing has been averaged yet.

    Raises:
        ValueError: if there are no averages.

    Example:
        >>> def objective(w, batch, key):
        ...     return jnp.mean((w - batch) ** 2)
        >>> optimizer = optax.sgd(0.25)
        >>> step = fl.make_train_step(objective, optimizer, swa=range(1, 3))
        >>> state = fl.init_state(jax.random.key(0), 8.0, optimizer)
        >>> run = fl.fit(step, state, jnp.zeros(4), epochs=3)  # to 4, 2 and 1
        >>> print(fl.training.latest(run.state.params))
        1.0
        >>> print(fl.training.averaged(run.state.params))
        1.5
    """
    if not has_averages(params):
        raise ValueError(
            "params must hold averages of the weights, as those of a state after steps "
            "of make_train_step(..., ema=0.999) or swa=range(75, 100) do; got "
            f"{described(params)}."
        )
    averages, latest = params.notes, evaluated(own(params))
    # Of an update that is still to come, and of the first one.
    due = averages.updates == 0
    if averages.epoch is not None:
        due = due | (averages.epoch >= 0)
    share = 1 / jnp.asarray(averages.updates + 1, float)
    return moved(averages.average, latest, share, due)


def moved(
    average: Params,
    latest: Params,
    share: Float[Array, "*lanes"],
    due: Bool[Array, "*lanes"],
) -> Params:
    """An average after one more update, if it is due.

    Args:
        average: the average.
        latest: what is averaged, in the same structure.
        share: of the latest in the new average, between 0 and 1.
        due: whether to update.

    Returns:
        `average + share * (latest - average)` in floating leaves, the latest in others.
    """

    def along(number: Array, leaf: Array) -> Array:
        # Of runs that are stacked there is one number for each.
        return number.reshape(*number.shape, *(1,) * (leaf.ndim - number.ndim))

    def move(one: Array, other: Array) -> Array:
        new = other
        if jnp.issubdtype(one.dtype, jnp.inexact):
            gap, part = other - one, along(share, one)
            # Exact at both ends, as torch.lerp, by which PyTorch averages.
            near, far = one + part * gap, other - (1 - part) * gap
            new = jnp.where(part < 0.5, near, far).astype(one.dtype)
        return jnp.where(along(due, one), new, one)

    return jax.tree.map(move, average, latest)


def evaluated(params: Params) -> Params:
    """The parameters that are evaluated: of `optax.lookahead` the slow ones."""
    free = trainable(params)
    slow = free.slow if isinstance(free, optax.LookaheadParams) else free
    return with_trainable(params, slow)


def bound(function: Callable[..., Any], params: Params) -> Callable[..., Any]:
    """A function of parameters first, as one of the part that is trained.

    Args:
        function: such as an objective, of what the model itself is applied to.
        params: whose notes it is given.
    """
    params = own(params)
    if not isinstance(params, Noted):
        return function

    @functools.wraps(function, updated=())
    def of_trainable(free: Params, *rest: PyTree) -> Any:
        return function(with_trainable(params, free), *rest)

    return of_trainable


def has_averages(params: Params) -> bool:
    """Whether averages of the weights are among the notes."""
    return isinstance(params, Noted) and isinstance(params.notes, Averages)
