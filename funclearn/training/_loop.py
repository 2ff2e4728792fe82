"""The epochs of a run, with a stopping rule and without."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Int, PyTree

from funclearn._notes import evaluated
from funclearn._types import Batch, Params
from funclearn.objectives import loss_of
from funclearn.stopping import Observation, Rule, Watch, begin, observe
from funclearn.training._epoch import Epoch
from funclearn.training._refusals import check_numbers
from funclearn.training._repeat import repeat
from funclearn.training._state import History, StepInfo, TrainState, TrainStep
from funclearn.training._units import as_unit
from funclearn.training._varying import vary_together

__all__ = ["Evaluate", "Functions", "Record", "Result", "Seen", "repeated", "with_row"]

Evaluate: TypeAlias = Callable[[Params, Batch], PyTree]
Record: TypeAlias = Callable[[TrainState, StepInfo, PyTree], PyTree]


class Functions(NamedTuple):
    """What a run calls; the arguments of `fit` that are functions."""

    train_step: TrainStep
    evaluate: Evaluate | None
    record: Record | None


class Result(NamedTuple):
    """What compiled code returns of a run; every array of it has a price.

    Attributes:
        state: as in `Run`, like the next two.
        history: the rows.
        final: the last of them that ran.
        watch: what the rule has seen; None without one.
        epochs: how many ran, where `watch` counts those of earlier runs too.
    """

    state: TrainState
    history: PyTree
    final: PyTree
    watch: Watch | None = None
    epochs: Int[Array, ""] | None = None


class Seen(NamedTuple):
    """An epoch: the state after it, its row, and what a rule sees of it."""

    state: TrainState
    row: PyTree
    observe: Callable[[], Observation]


def with_row(
    train_epoch: Epoch, functions: Functions, validation: Batch | None
) -> Callable[[TrainState], Seen]:
    """Adds the evaluation, which comes before the first update, and the row."""
    _, evaluate, record = functions

    def epoch(state: TrainState) -> Seen:
        evaluation = None
        if evaluate is not None:
            evaluation = evaluate(evaluated(state.params), validation)
        after, info, loss = train_epoch(state, evaluation)
        if record is None:
            check_numbers("evaluate(...)", evaluation)
            row = History(loss, evaluation)
        else:
            row = record(_counted(after), info, evaluation)
            check_numbers("record(...)", row)

        # Only where a rule asks: a step of the user's own may have no gradient to show.
        def observation() -> Observation:
            return Observation(
                loss=loss,
                validation=loss_of(evaluation),
                grads=info.grads,
                before=state.params,
                after=after.params,
                evaluation=evaluation,
            )

        return Seen(after, row, observation)

    return epoch


def repeated(
    epoch: Callable[[TrainState], Seen],
    state: TrainState,
    epochs: int,
    stop: Rule | None,
    number: ArrayLike | None = None,
) -> Result:
    """All epochs, or the first `number` of them, or as many as a rule lets run."""
    if stop is not None:
        return _until(stop, epoch, state, epochs, number)
    unit = as_unit(lambda state: epoch(state)[:2])

    def unwatched(state: TrainState) -> tuple[TrainState, PyTree]:
        state, row = unit(state)
        return _counted(state), row

    state, final, history = repeat(unwatched, state, epochs, number=number)
    return Result(state, history, final)


def _counted(state: TrainState) -> TrainState:
    # Outside of a unit, whose every result takes time.
    return state._replace(epoch=state.epoch + 1)


def _until(
    stop: Rule,
    epoch: Callable[[TrainState], Seen],
    state: TrainState,
    epochs: int,
    number: ArrayLike | None,
) -> Result:
    @as_unit
    def unit(state: TrainState) -> tuple[TrainState, PyTree, Observation]:
        after, row, observe = epoch(state)
        return after, row, observe().seen_by(stop.looks_at)

    def watched(carry: tuple[TrainState, Watch]) -> tuple[PyTree, PyTree]:
        state, row, seen = unit(carry[0])
        after = _counted(state), observe(stop, carry[1], seen)
        # Not where the rule alone varies: devices that share parameters go together.
        after = vary_together(after, carry, state.params)
        return after, vary_together(row, None, state.params)

    types = jax.eval_shape(lambda: epoch(state).observe())
    start = begin(stop, types._replace(before=state.params))
    (state, watch), final, history = repeat(
        watched, (state, start), epochs, lambda carry: carry[1].code == 0, number
    )
    # A rule that goes on counts earlier epochs too.
    ran = watch.epoch - start.epoch if stop.has_watched else None
    return Result(state, history, final, watch, ran)
