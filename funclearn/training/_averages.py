"""Averages of the weights: exponential, or of the ends of epochs (SWA).

    ema    average <- decay * average + (1 - decay) * params, after every step
    swa    the mean of the parameters at the ends of some epochs

A step does not know whether it is the last of its epoch. So the end of an epoch goes
into the mean with the first step of the next one, which starts from there, and whoever
reads the average before that adds it (`averaged`).

References:
    Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization,
    2018; `torch.optim.swa_utils.AveragedModel`, whose averages these are.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from funclearn._checks import is_static_number
from funclearn._notes import (
    Averages,
    Noted,
    evaluated,
    has_averages,
    moved,
    own,
    trainable,
    with_own,
)
from funclearn._types import Params, ScalarLike
from funclearn._words import described
from funclearn.training._state import TrainState, TrainStep

__all__ = ["Averaging", "latest", "make_averaging", "prepare_state"]


_Move: TypeAlias = Callable[[Averages, TrainState, Params, Any], Averages]
"""`(averages, state before the step, params after it, made) -> averages`, where `made`
is false if the step was skipped."""


class Averaging(NamedTuple):
    """How a train step averages.

    Attributes:
        by_epochs: whether ends of epochs are averaged.
        move: what becomes of the averages in a step.
    """

    by_epochs: bool
    move: _Move

    def prepared(self, state: TrainState) -> TrainState:
        """A state with averages, where it has none.

        Raises:
            ValueError: if it has those of another kind.
        """
        params = state.params
        if has_averages(params):
            if (params.notes.epoch is not None) != self.by_epochs:
                kind = "swa" if self.by_epochs else "ema"
                raise ValueError(
                    "state.params must hold averages of the train step's own kind, "
                    f"which was made with {kind}; start from state._replace(params="
                    "funclearn.training.latest(state.params)), or averaged."
                )
            return state
        # Of the shape of the counter, which has lanes where states are stacked.
        none = jnp.zeros_like(jnp.asarray(state.step, jnp.int32))
        averages = Averages(
            average=jax.tree.map(jnp.asarray, evaluated(params)),
            updates=none,
            epoch=none - 1 if self.by_epochs else None,
            notes=params.notes if isinstance(params, Noted) else None,
        )
        return state._replace(params=Noted(trainable(params), averages))

    def updated(
        self, before: TrainState, params: Params, made: Bool[Array, ""] | bool
    ) -> Params:
        """Parameters with the averages after a step.

        Args:
            before: the state that the step started from, which has averages.
            params: what the model is applied to after the step.
            made: whether the step was made; False if it was skipped.
        """
        averages = self.move(before.params.notes, before, params, made)
        return with_own(before.params._replace(notes=averages), params)


def make_averaging(ema: ScalarLike | None, swa: range | None) -> Averaging | None:
    """How to average, or None.

    Raises:
        TypeError: if `ema` is no number or `swa` no range.
        ValueError: if both are given, `ema` is not in [0, 1), or `swa` is empty, counts
            down or begins before 0.
    """
    if ema is not None and swa is not None:
        raise ValueError("ema must be None where swa is given; got both.")
    if ema is not None:
        return Averaging(by_epochs=False, move=_exponential(ema))
    return None if swa is None else Averaging(by_epochs=True, move=_of_ends(swa))


def _exponential(decay: ScalarLike) -> _Move:
    if is_static_number(decay):
        if not 0 <= decay < 1:
            raise ValueError(f"ema must be a decay in [0, 1); got {decay}.")
    elif not isinstance(decay, jax.Array | np.ndarray) or decay.shape:
        raise TypeError(
            f"ema must be a decay, a number in [0, 1); got {described(decay)}."
        )

    def move(
        averages: Averages, before: TrainState, params: Params, made: Any
    ) -> Averages:
        del before
        # With the digits of a float, whatever the parameters' own dtype.
        share = jnp.asarray(1 - decay, float)
        # As in PyTorch, the first update takes the parameters as they are.
        share = jnp.where(averages.updates == 0, 1, share)
        due = jnp.asarray(made)
        average = moved(averages.average, evaluated(params), share, due)
        return averages._replace(average=average, updates=averages.updates + due)

    return move


def _of_ends(epochs: range) -> _Move:
    if not isinstance(epochs, range):
        raise TypeError(
            "swa must be a range of epochs counted from 0, such as range(75, 100); got "
            f"{described(epochs)}."
        )
    if not epochs or epochs.step < 0 or epochs.start < 0:
        raise ValueError(
            "swa must be a range of epochs that counts up from 0 or more and is not "
            f"empty; got {epochs}."
        )

    def move(
        averages: Averages, before: TrainState, params: Params, made: Any
    ) -> Averages:
        del params, made
        now = jnp.asarray(before.epoch, jnp.int32)
        pending = jnp.asarray(averages.epoch)
        due = (pending >= 0) & (pending != now)
        share = 1 / jnp.asarray(averages.updates + 1, float)
        average = moved(averages.average, evaluated(own(before.params)), share, due)
        since = now - epochs.start
        among = (since >= 0) & (now < epochs.stop) & (since % epochs.step == 0)
        return averages._replace(
            average=average,
            updates=averages.updates + due,
            epoch=jnp.where(among, now, -1),
        )

    return move


def latest(params: Params) -> Params:
    """The parameters as they are now, without the averages beside them.

    Args:
        params: such as `run.state.params`, with averages or without.

    Returns:
        What the model can be applied to, the parameters; of a model that takes notes
        the `Noted` pair of both.
    """
    return own(params)


def prepare_state(train_step: TrainStep, state: TrainState) -> TrainState:
    """The state that a train step carries on, for loops that need one structure.

    A step of `make_train_step(..., ema=...)` or `swa=...` takes the state that
    `init_state` makes, and returns one with averages. `fit` prepares the state itself;
    a `jax.lax.scan` over steps, and a `fit` of a step around this one, need it before.

    Args:
        train_step: any train step, of `make_train_step` itself.
        state: where to start.

    Returns:
        The state with averages of no update; itself where nothing is missing.

    Example:
        >>> def objective(w, batch, key):
        ...     return jnp.mean((w - batch) ** 2)
        >>> optimizer = optax.sgd(0.25)
        >>> step = fl.make_train_step(objective, optimizer, ema=0.5)
        >>> state = fl.init_state(jax.random.key(0), 8.0, optimizer)
        >>> state = fl.training.prepare_state(step, state)
        >>> state, infos = jax.lax.scan(step, state, jnp.zeros((3, 4)))
        >>> print(fl.training.latest(state.params), fl.training.averaged(state.params))
        1.0 2.0
    """
    prepared = getattr(train_step, "prepared", None)
    return state if prepared is None else prepared(state)
