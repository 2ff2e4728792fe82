"""What a run starts from, carries and returns."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from funclearn._checks import check_floating, check_key
from funclearn._notes import trainable, with_trainable
from funclearn._types import Batch, Params, Scalar
from funclearn._words import printed
from funclearn.stopping import Best, Reason, Rule
from funclearn.training._update import Optimizer, check_lookahead, check_optimizer

__all__ = ["History", "Run", "StepInfo", "TrainState", "TrainStep", "init_state"]


class TrainState(NamedTuple):
    """Everything that the rest of a run depends on.

    Attributes:
        params: the model's parameters.
        opt_state: the optimizer's state.
        key: constant through the run; every step derives its own from it.
        step: number of updates made.
        epoch: number of epochs made; `fit` counts it.
    """

    params: Params
    opt_state: PyTree
    key: PRNGKeyArray
    step: Int[Array, ""]
    epoch: Int[Array, ""] | int = 0


class StepInfo(NamedTuple):
    """What one step saw, at the parameters before its update."""

    loss: Scalar
    grads: Params


class History(NamedTuple):
    """One row an epoch, taken at the parameters before the epoch's first update.

    Attributes:
        loss: `(epochs,)`, the training objective; with minibatches the mean of the
            batches' losses, each before its own update, weighted by their sizes.
        evaluation: what `evaluate` returned, stacked; None without validation.
    """

    loss: Float[Array, " epochs"]
    evaluation: PyTree


class Run(NamedTuple):
    """The result of `fit`.

    `print` writes how far it came, why it ended and its losses; `rich.print` adds small
    curves of them, and a notebook shows a picture.

    Attributes:
        state: the state after the last epoch.
        history: a `History`, or what `record` returned, stacked along axis 0. After
            an early stop the rows that never ran are NaN in floating leaves and zero
            in others. Inside code that is compiled under `jax_debug_nans`, which may
            not return NaN, they are the largest number instead.
        epochs: number of epochs that ran, the valid rows of the history.
        reason: why it ended there.
        best: with a stopping rule and a validation loss, or whatever else `best_on`
            or the rule names, the parameters with the best value of it, those of the
            start as long as every one was NaN or inf (`epoch` is 0 then); else None.
        stop: the stopping rule with all that it has seen. Given to another `fit`, by
            itself or joined with others, it goes on from there: patience keeps
            counting.
        final: the last row of the history that ran; NaN and zero where none did.
            Where a compiled function returns it and not the history, none is stored.
    """

    state: TrainState
    history: PyTree
    epochs: Int[Array, ""] | np.ndarray
    reason: Reason
    best: Best | None = None
    stop: Rule | None = None
    final: PyTree = None

    def _summary(self) -> Any:
        # It needs rich, which whoever shows nothing need not import.
        from funclearn.training._summary import summary

        return summary(self.history, self.epochs, self.reason, self.best, self.final)

    def __str__(self) -> str:
        """Its epochs, its reason and a table of its losses."""
        return str(self._summary())

    def __rich__(self) -> object:
        """The same for `rich.print`, with small curves."""
        return self._summary()

    def _repr_html_(self) -> str:
        """The same for notebooks, with a picture of the losses."""
        return self._summary().html()

    _repr_pretty_ = printed


TrainStep: TypeAlias = Callable[[TrainState, Batch], tuple[TrainState, StepInfo]]
"""`(state, batch) -> (state, info)`, pure."""


def init_state(key: PRNGKeyArray, params: Params, optimizer: Optimizer) -> TrainState:
    """The state before the first step.

    Args:
        key: the run's own key, for noise and the order of minibatches.
        params: the initial parameters, a pytree of floating-point arrays; for
            `optax.lookahead` in `optax.LookaheadParams`; of a model that takes notes
            the pair of both, of which the optimizer sees the parameters.
        optimizer: the optimizer that the train step will use.

    Raises:
        TypeError: if `key` is not a typed key, a parameter is not floating-point, or
            `optimizer` is not an optimizer or one for other parameters.
        ValueError: if there are no parameters.

    Example:
        >>> optimizer = optax.sgd(0.1)
        >>> state = fl.init_state(jax.random.key(0), {"w": 1.5}, optimizer)
        >>> print(state.params["w"], state.step, state.epoch)
        1.5 0 0
    """
    check_key("key", key)
    check_optimizer("optimizer", optimizer)
    free = trainable(params)
    check_floating("params", free)
    # Python floats would be weakly typed, and the next state would not be.
    free = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), free)
    params = with_trainable(params, free)
    none = jnp.zeros((), jnp.int32)
    opt_state = optimizer.init(free)
    check_lookahead(free, opt_state)
    return TrainState(params, opt_state, key, step=none, epoch=none)
