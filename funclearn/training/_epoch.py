"""One epoch: a pass over the training data, in one step or in minibatches."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from funclearn._checks import check_batch_size
from funclearn._jaxprs import filled
from funclearn._layout import everywhere
from funclearn._signatures import takes_keyword
from funclearn._types import Batch, Scalar
from funclearn._weights import ratio, total_of, weights_of
from funclearn.data import for_batches, row_count, take
from funclearn.training._refusals import check_stepped
from funclearn.training._spreading import dealt_out, with_weights_everywhere
from funclearn.training._state import StepInfo, TrainState, TrainStep
from funclearn.training._varying import varied

__all__ = [
    "Carry",
    "Epoch",
    "Passed",
    "make_epoch",
    "make_scanned",
    "make_step",
    "mean_loss",
    "order_key",
    "order_of",
    "with_blank_info",
]

_ORDER_STREAM = 1

Carry: TypeAlias = tuple[TrainState, StepInfo]
"""The state, and the info of the last step."""

Passed: TypeAlias = tuple[TrainState, StepInfo, Scalar]
"""The state, the last step's info and the mean loss."""

Epoch: TypeAlias = Callable[[TrainState, PyTree], Passed]
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
    n_rows = row_count("train", train)
    if batch_size is not None:
        batch_size = check_batch_size(batch_size, n_rows)
        train = for_batches(train)
    train = with_weights_everywhere(train)

    def epoch(state: TrainState, evaluation: PyTree) -> Passed:
        step = make_step(train_step, evaluation)
        if batch_size is None:
            return _full_batch(step, train)(state)
        return _minibatches(step, train, n_rows, batch_size)(state)

    return epoch


def make_step(train_step: TrainStep, evaluation: PyTree) -> TrainStep:
    """The train step of an epoch, which may take what was evaluated at its start."""
    takes_it = takes_keyword(train_step, "evaluation")
    more = {"evaluation": evaluation} if takes_it else {}

    # A step of the user's own may make a state that lacks the epoch.
    def step(state: TrainState, batch: Batch) -> tuple[TrainState, StepInfo]:
        after, info = check_stepped(train_step(state, batch, **more), state)
        return after._replace(epoch=state.epoch), info

    return step


def _full_batch(train_step: TrainStep, train: Batch) -> Callable[[TrainState], Passed]:
    def epoch(state: TrainState) -> Passed:
        state, info = train_step(state, train)
        return state, info, info.loss

    return epoch


def _minibatches(
    train_step: TrainStep, train: Batch, n_rows: int, batch_size: int
) -> Callable[[TrainState], Passed]:
    n_full, n_left = divmod(n_rows, batch_size)
    weighed = weights_of(train) is not None
    step = make_scanned(train_step, train, weighed)

    def epoch(state: TrainState) -> Passed:
        order = order_of(state.key, state.epoch, n_rows)
        full, left = order[: n_full * batch_size], order[n_full * batch_size :]
        start = with_blank_info(train_step, state, train, full[:batch_size])
        carry, losses = jax.lax.scan(step, start, full.reshape(n_full, batch_size))
        last = None
        if n_left:
            carry, last = step(carry, left)
        return *carry, mean_loss(losses, last, batch_size, n_left, weighed)

    return epoch


def make_scanned(
    train_step: TrainStep, train: Batch, weighed: bool
) -> Callable[[Carry, Int[Array, " batch"]], tuple[Carry, Float[Array, "..."]]]:
    """A step as a scan takes it: `(carry, numbers of rows) -> (carry, loss)`.

    Args:
        train_step: makes the updates.
        train: what the rows are taken from.
        weighed: whether the loss is given as two numbers, it times what the rows count
            together, and that.
    """

    def step(carry: Carry, rows: Int[Array, " batch"]) -> tuple[Carry, Array]:
        batch = dealt_out(take(train, rows))
        state, info = train_step(carry[0], batch)
        if not weighed:
            return (state, info), info.loss
        count = total_of(jax.tree.map(everywhere, batch), len(rows))
        return (state, info), jnp.stack([count * info.loss, count])

    return step


def with_blank_info(
    train_step: TrainStep, state: TrainState, train: Batch, rows: Int[Array, " batch"]
) -> Carry:
    """What a scan over steps begins with; it must know the type of the last info."""
    batch = take(train, rows)
    state, seen = varied(lambda state: train_step(state, batch), state)
    return state, jax.tree.map(lambda leaf: filled(leaf, 0), seen)


def mean_loss(
    losses: Float[Array, "steps ..."],
    last: Float[Array, "..."] | None,
    batch_size: int,
    n_left: int,
    weighed: bool,
) -> Scalar:
    """The mean loss of an epoch's rows.

    Args:
        losses: those of the full batches, as `make_scanned` gives them.
        last: that of the batch of the rows that are left; None without one.
        batch_size: rows of a full batch.
        n_left: rows that are left.
        weighed: as for `make_scanned`.
    """
    if weighed:
        rest = jnp.zeros(2) if last is None else last
        return ratio(*(jnp.sum(losses, axis=0) + rest))
    total = batch_size * jnp.sum(losses)
    if last is not None:
        total += n_left * last
    return total / (batch_size * len(losses) + n_left)


def order_of(key: PRNGKeyArray, epoch: ArrayLike, n_rows: int) -> Int[Array, " rows"]:
    """The order of the rows in an epoch."""
    return jax.random.permutation(order_key(key, epoch), n_rows)


def order_key(key: PRNGKeyArray, epoch: ArrayLike) -> PRNGKeyArray:
    """What the order of an epoch is drawn by."""
    return jax.random.fold_in(jax.random.fold_in(key, _ORDER_STREAM), epoch)
