"""The compiled programs of an epoch in parts."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from funclearn._notes import evaluated
from funclearn._types import Batch
from funclearn.stopping import Rule
from funclearn.training._epoch import (
    Carry,
    Passed,
    make_scanned,
    make_step,
    mean_loss,
    with_blank_info,
)
from funclearn.training._loop import Functions, Result, repeated, with_row
from funclearn.training._state import StepInfo, TrainState
from funclearn.training._units import as_unit

__all__ = ["Begun", "Programs", "Rest", "make_programs"]

_Losses: TypeAlias = Float[Array, "steps ..."]
_Loop: TypeAlias = tuple[Carry, _Losses]


class Begun(NamedTuple):
    """An epoch on its way.

    Attributes:
        before: the state at its start.
        evaluation: what was evaluated there.
        state: the state now.
        losses: those of the batches so far, `(steps,)`; where batches are weighed
            `(steps, 2)`, of each loss times weight, and weight.
        info: of the last step, while there was one.
    """

    before: TrainState
    evaluation: PyTree
    state: TrainState
    losses: PyTree
    info: PyTree = None


class Rest(NamedTuple):
    """What is left of an epoch after its loop over full batches.

    Attributes:
        chunk: the rows of it, in any order, and at least one more: XLA rounds otherwise
            where it sees that all are taken.
        full: which of them make the only full batch, `(1, batch_size)`; None where the
            loop has made the full batches.
        left: which of them are left over; None if none are.
    """

    chunk: Batch = None
    full: Int[Array | np.ndarray, "1 size"] | None = None
    left: Int[Array | np.ndarray, " rows"] | None = None

    @property
    def n_batches(self) -> int:
        """How many batches that makes."""
        return (self.full is not None) + (self.left is not None)


class Programs(NamedTuple):
    """The compiled programs.

    Attributes:
        evaluate: `(state, validation) -> evaluation`.
        loop: `(state, evaluation, chunk, rows, number) -> (state, info, losses)`, the
            steps over some full batches.
        end: `(begun, rest, stop, number) -> result`, what is left of the epoch, made
            once or not at all; None for a number makes no epoch either, and no steps.
    """

    evaluate: Any
    loop: Any
    end: Any


def make_programs(
    take: Callable[[], tuple[Any, ...]],
    batch_size: int,
    weighed: bool,
    looks: bool,
    debugged: tuple[bool, bool],
) -> Programs:
    """Makes them; nothing is traced.

    Args:
        take: gives the functions of the run.
        batch_size: rows of a full batch.
        weighed: whether batches count by their weights.
        looks: as for `Parts`.
        debugged: whether JAX looks for NaN, and inf.
    """
    del debugged  # what is traced differs by it
    return Programs(
        _make_evaluate(take),
        _make_loop(take, weighed, looks),
        _make_end(take, batch_size, weighed),
    )


def _make_evaluate(take: Callable[[], tuple[Any, ...]]) -> Any:
    @jax.jit
    def evaluate(state: TrainState, validation: Batch | None) -> PyTree:
        _, evaluate, _ = take()
        if evaluate is None:
            return None
        return as_unit(lambda at: evaluate(evaluated(at), validation))(state.params)

    return evaluate


def _make_loop(take: Callable[[], tuple[Any, ...]], weighed: bool, looks: bool) -> Any:
    @jax.jit
    def loop(
        state: TrainState,
        evaluation: PyTree,
        chunk: Batch,
        rows: Int[Array, "batches size"],
        number: Int[Array, ""],
    ) -> tuple[TrainState, StepInfo, _Losses]:
        step = make_step(take()[0], evaluation)
        # A scan within a unit calls its body, which XLA leaves at that.
        one = as_unit(make_scanned(step, chunk, weighed))

        def trip(place: Int[Array, ""], carried: _Loop) -> _Loop:
            carry, loss = one(carried[0], rows[place])
            return carry, carried[1].at[place].set(loss)

        start = with_blank_info(step, state, chunk, rows[0])
        loss = jax.eval_shape(one, start, rows[0])[1]
        losses = jnp.zeros((len(rows), *loss.shape), loss.dtype)
        (state, info), losses = jax.lax.fori_loop(0, number, trip, (start, losses))
        if not looks:
            # What is not returned is not computed, and there XLA may round otherwise.
            info = jax.tree.map(jnp.zeros_like, info)
        return state, info, losses

    return loop


def _make_end(
    take: Callable[[], tuple[Any, ...]], batch_size: int, weighed: bool
) -> Any:
    @jax.jit
    def end(
        begun: Begun, rest: Rest, stop: Rule | None, number: Int[Array, ""] | None
    ) -> Result:
        train_step, evaluate, record = take()

        def epoch(state: TrainState, evaluation: PyTree) -> Passed:
            zero = _zero_by_a_sort(jnp.asarray(state.epoch))
            step = make_step(train_step, evaluation)
            one = make_scanned(step, rest.chunk, weighed)
            carry: Carry = begun.state, begun.info
            losses, last = begun.losses, None
            n_left = 0
            if rest.full is not None:
                full = jnp.asarray(rest.full) + zero
                start = with_blank_info(step, begun.state, rest.chunk, full[0])
                carry, losses = jax.lax.scan(one, start, full)
            if rest.left is not None:
                n_left, left = len(rest.left), jnp.asarray(rest.left) + zero
                carry, last = one(carry, left)
            return *carry, mean_loss(losses, last, batch_size, n_left, weighed)

        known = evaluate and (lambda *_: begun.evaluation)
        with_it = with_row(epoch, Functions(train_step, known, record), None)
        epochs = 0 if number is None else 1
        return repeated(with_it, begun.before, epochs, stop, number)

    return end


def _zero_by_a_sort(number: Int[Array, ""]) -> Int[Array, ""]:
    """Zero, which XLA cannot know.

    XLA (jaxlib 0.12) compiles loops over little memory as a whole, and rounds otherwise
    there, but no loop that sorts, as one that draws the order of the rows does. Were it
    to sort there as well, `test_it_has_the_bits_of_fit_however_it_is_cut` would fail.
    """
    return jnp.sort(jnp.stack([number, number]))[0] - number
