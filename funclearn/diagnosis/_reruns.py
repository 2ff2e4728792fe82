"""The run made again with one thing changed: how a suspicion is put to the test.

A train step is a pure function, so its update can be changed from outside, whatever
optimizer it holds: with p for the parameters before it and u for the update,

    p' = p + scale u + restored p

A scale other than 1 is another learning rate for every optimizer whose output is
proportional to its rate while its state does not know of it, as of all of optax's but
line searches and those that find a rate of their own. A negative scale turns the steps
round. `restored` takes a decay of the parameters back, and `held` keeps every count of
a schedule where it started.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PyTree

from funclearn import _programs
from funclearn._types import Batch, Objective, Params, ScalarLike
from funclearn.diagnosis._rises import has_risen
from funclearn.training import (
    StepInfo,
    TrainState,
    TrainStep,
    fit,
    init_state,
    make_train_step,
)

__all__ = ["Change", "Rerun", "counts", "learns"]

# Of the first loss: who falls by less has not moved, and cannot have gone wrong.
_LEAST_LEARNT = 1e-4
# Of the first loss; who starts at the best point may jitter about it.
_JITTER = 0.1
# Epochs at the end, at least, for those of few.
_LATE = 4
# Of the learning rate; who starts at the best point need not fall with steps like that.
_LARGE_SCALE = 0.2


class Change(NamedTuple):
    """How the updates of a rerun differ.

    Attributes:
        scale: what they are multiplied by; one number, or one a leaf.
        restored: the part of the parameters that is given back to them.
        held: whether schedules stay where they started.
    """

    scale: float | tuple[float, ...] = 1.0
    restored: float = 0.0
    held: bool = False


_AS_IT_WAS = Change()

# What makes steps of a kind; a clipped norm of the rate is one that never exceeds it.
_OPTIMIZERS = {
    "gradient": optax.sgd,
    "sign": optax.adam,
    "norm": lambda rate: optax.chain(optax.sgd(1.0), optax.clip_by_global_norm(rate)),
}


class Rerun(NamedTuple):
    """What a run is made again from.

    Attributes:
        objective: what is minimised, to judge the last parameters by.
        train_step: as given to `fit`, like the rest.
        state: where the run starts.
        train: the training data.
        epochs: how many.
        batch_size: rows a step.
    """

    objective: Objective
    train_step: TrainStep
    state: TrainState
    train: Batch
    epochs: int
    batch_size: int | None

    def first_batch(self) -> Batch:
        """As many rows as a step is given."""
        size = self.batch_size
        if size is None:
            return self.train
        return jax.tree.map(lambda leaf: leaf[:size], self.train)

    def succeeds(self, change: Change = _AS_IT_WAS) -> bool:
        """Whether the run learns, and does not diverge, with a change."""
        functions = self.objective, self.train_step
        program = _programs.kept(_compile, functions, self.epochs, self.batch_size)
        losses = np.asarray(program(self.state, self.train, change), np.float64)
        moves = change.held or bool(np.max(np.abs(change.scale)) < _LARGE_SCALE)
        return learns(losses, moves=moves)

    def with_autodiff(self, kind: str, rate: float) -> "Rerun":
        """The same with steps of the right gradient that are as large.

        Args:
            kind: how the steps follow from gradients, as of a `Law`.
            rate: how large they are.
        """
        optimizer = _OPTIMIZERS[kind](rate)
        step = make_train_step(self.objective, optimizer)
        state = init_state(self.state.key, self.state.params, optimizer)
        return self._replace(train_step=step, state=state)


def learns(losses: np.ndarray, *, moves: bool = True) -> bool:
    """Whether losses are finite, do not rise in the end, and end below their start.

    Args:
        losses: `(epochs + 1,)`, those before every epoch and that after the last.
        moves: whether they must fall; else it is enough that they stay.
    """
    if not np.isfinite(losses).all() or has_risen(losses):
        return False
    late = losses[1:][-max(_LATE, len(losses) // 20) :]
    # One that jumps about its start has not learnt.
    fall = losses[0] - late.max()
    least = _LEAST_LEARNT if moves else -_JITTER
    return bool(fall > least * abs(losses[0]))


_Program: TypeAlias = Callable[[TrainState, Batch, Change], Array]


def _compile(
    take: Callable[[], tuple[Objective, TrainStep]],
    epochs: int,
    batch_size: int | None,
) -> _Program:
    @jax.jit
    def losses(
        state: TrainState, train: Batch, change: Change
    ) -> Float[Array, " losses"]:
        objective, train_step = take()
        changed = _changed(train_step, state, change)
        run = fit(changed, state, train, epochs=epochs, batch_size=batch_size)
        last = objective(run.state.params, train, state.key)
        ends = [jnp.sum(leaf) * 0 for leaf in jax.tree.leaves(run.state.params)]
        # Parameters that are not finite count, though the objective may not see them.
        last = last + jnp.sum(jnp.asarray(ends)).astype(last.dtype)
        return jnp.append(run.history.loss, last)

    return losses


def _changed(train_step: TrainStep, start: TrainState, change: Change) -> TrainStep:
    def step(state: TrainState, batch: Batch) -> tuple[TrainState, StepInfo]:
        after, info = train_step(state, batch)

        def move(before: jax.Array, moved: jax.Array, scale: ScalarLike) -> jax.Array:
            moved = before + scale * (moved - before) + change.restored * before
            return moved.astype(before.dtype)

        leaves, structure = jax.tree.flatten(state.params)
        scales = change.scale
        if not isinstance(scales, tuple):
            scales = (scales,) * len(leaves)
        scales = jax.tree.unflatten(structure, scales)
        params: Params = jax.tree.map(move, state.params, after.params, scales)
        opt_state = counts(
            after.opt_state,
            start.opt_state,
            lambda count, first: jnp.where(change.held, first, count),
        )
        return after._replace(params=params, opt_state=opt_state), info

    return step


def counts(
    tree: PyTree, start: PyTree, replace: Callable[[jax.Array, jax.Array], jax.Array]
) -> PyTree:
    """A state with the counts of its schedules replaced.

    A schedule's state is a tuple that holds one integer and nothing else; other counts,
    as of Adam's moments, stand beside what they count.

    Args:
        tree: the state of an optimizer.
        start: the state that it began with.
        replace: makes of a count and of what it was at the start another one.
    """

    def is_schedule(node: PyTree) -> bool:
        leaves = jax.tree.leaves(node)
        if not isinstance(node, tuple) or len(leaves) != 1 or len(node) != 1:
            return False
        return jnp.issubdtype(jnp.result_type(leaves[0]), jnp.integer)

    def change(node: PyTree, first: PyTree) -> PyTree:
        return jax.tree.map(replace, node, first) if is_schedule(node) else node

    return jax.tree.map(change, tree, start, is_leaf=is_schedule)
