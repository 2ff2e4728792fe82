"""One epoch: a pass over the training data, in one step or in minibatches."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from funclearn._checks import check_batch_size, leading_length
from funclearn._signatures import takes_keyword
from funclearn._types import Batch, Scalar
from funclearn._weights import ratio, total_of, weights_of
from funclearn.data import take
from funclearn.training._refusals import check_stepped
from funclearn.training._state import StepInfo, TrainState, TrainStep
from funclearn.training._varying import varied, vary_as

__all__ = ["Epoch", "make_epoch"]

_ORDER_STREAM = 1

_Passed: TypeAlias = tuple[TrainState, StepInfo, Scalar]
"""The state, the last step's info and the mean loss."""

Epoch: TypeAlias = Callable[[TrainState, PyTree], _Passed]
"""`(state, evaluation) -> (state, the last step's info, mean loss)`; it does not count
itself. The evaluation goes to steps that take it as a keyword."""


def make_epoch(train_step: TrainStep, train: Batch, batch_size: int | None) -> Epoch:
    """Makes the function that goes through the training data once.

    Args:
        train_step: makes the updates; it need not count epochs.
        train: a pytree of arrays with one leading length.
        batch_size: rows a step; None takes all rows in one.

    Raises:
        ValueError: if `batch_size` is more than there are rows; while tracing, if the
            step changes the types of its state.
        TypeError: while tracing, if the step does not return `(state, info)`.
    """
    if batch_size is not None:
        batch_size = check_batch_size(batch_size, leading_length("train", train))
    takes_evaluation = takes_keyword(train_step, "evaluation")

    def epoch(state: TrainState, evaluation: PyTree) -> _Passed:
        more = {"evaluation": evaluation} if takes_evaluation else {}

        # A step of the user's own may make a state that lacks the epoch.
        def step(state: TrainState, batch: Batch) -> tuple[TrainState, StepInfo]:
            after, info = check_stepped(train_step(state, batch, **more), state)
            return after._replace(epoch=state.epoch), info

        if batch_size is None:
            return _full_batch(step, train)(state)
        return _minibatches(step, train, batch_size)(state)

    return epoch


def _full_batch(train_step: TrainStep, train: Batch) -> Callable[[TrainState], _Passed]:
    def epoch(state: TrainState) -> _Passed:
        state, info = train_step(state, train)
        return state, info, info.loss

    return epoch


def _minibatches(
    train_step: TrainStep, train: Batch, batch_size: int
) -> Callable[[TrainState], _Passed]:
    n_rows = leading_length("train", train)
    n_full, n_left = divmod(n_rows, batch_size)
    weighed = weights_of(train) is not None

    def step(
        carry: tuple[TrainState, StepInfo], rows: Int[Array, " batch"]
    ) -> tuple[tuple[TrainState, StepInfo], Float[Array, "..."]]:
        batch = take(train, rows)
        state, info = train_step(carry[0], batch)
        if not weighed:
            return (state, info), info.loss
        count = total_of(batch, len(rows))
        return (state, info), jnp.stack([count * info.loss, count])

    def epoch(state: TrainState) -> _Passed:
        order = _order(state, n_rows)
        full, left = order[: n_full * batch_size], order[n_full * batch_size :]
        # A scan carries the last info, and must know its type before the first one.
        first = take(train, full[:batch_size])
        state, seen = varied(lambda state: train_step(state, first), state)
        info = jax.tree.map(
            lambda leaf: vary_as(jnp.zeros(leaf.shape, leaf.dtype), leaf), seen
        )
        carry, losses = jax.lax.scan(
            step, (state, info), full.reshape(n_full, batch_size)
        )
        if weighed:
            carry, rest = step(carry, left) if n_left else (carry, jnp.zeros(2))
            return *carry, ratio(*(jnp.sum(losses, axis=0) + rest))
        total = batch_size * jnp.sum(losses)
        if n_left:
            carry, loss = step(carry, left)
            total += n_left * loss
        return *carry, total / n_rows

    return epoch


def _order(state: TrainState, n_rows: int) -> Int[Array, " rows"]:
    key = jax.random.fold_in(state.key, _ORDER_STREAM)
    return jax.random.permutation(jax.random.fold_in(key, state.epoch), n_rows)
