"""An epoch in parts, for data that come part by part.

It has the bits of an epoch of `fit`: steps over full batches in a loop, and then what
`fit` does outside of it, with the row and what a stopping rule sees.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Int, PyTree

from funclearn import _programs
from funclearn._jaxprs import ClosedJaxpr
from funclearn._programs import debugging
from funclearn._types import Batch, Params
from funclearn.stopping import Rule
from funclearn.training._advance import as_run, check_functions, check_validation
from funclearn.training._loop import Functions
from funclearn.training._part_programs import Begun, Rest, make_programs
from funclearn.training._refusals import check_state, explain
from funclearn.training._state import Run, StepInfo, TrainState, TrainStep

__all__ = ["Parts", "Traced"]


class Traced(NamedTuple):
    """What is known of a run before it is made.

    Attributes:
        jaxprs: what it computes.
        begun: the types of an epoch before its rest.
        run: those of an epoch's run.
    """

    jaxprs: list[ClosedJaxpr]
    begun: Begun
    run: Run


class Parts:
    """The programs of a run whose data come part by part."""

    def __init__(
        self,
        train_step: TrainStep,
        evaluate: Callable[[Params, Batch], PyTree] | None,
        record: Callable[[TrainState, StepInfo, PyTree], PyTree] | None,
        *,
        batch_size: int,
        weighed: bool,
        looks: bool,
    ) -> None:
        """Makes them; nothing is traced.

        Args:
            train_step: as for `fit`, like the next two.
            evaluate: what to take before every epoch.
            record: makes the rows.
            batch_size: rows of a full batch.
            weighed: whether batches count by their weights.
            looks: whether `record` or a rule may look at the last step that `advance`
                makes, other than at its state and loss.
        """
        self._functions = functions = Functions(train_step, evaluate, record)
        kind = batch_size, weighed, looks, debugging()
        self._programs = _programs.kept(make_programs, functions, *kind)

    def trace(
        self,
        state: TrainState,
        validation: Batch | None,
        block: tuple[Batch, Int[ArrayLike, "batches size"], int] | None,
        rest: Rest,
        stop: Rule | None,
        n_losses: int,
    ) -> Traced:
        """Traces them, which refuses what `fit` would.

        Args:
            state: where the run begins.
            validation: the validation data.
            block: what `advance` will be given after the state; None if nothing.
            rest: what `end` will be given.
            stop: the stopping rule.
            n_losses: how many losses `end` will be given with the epoch.
        """
        functions = self._functions
        check_state(functions.train_step, state)
        check_functions(functions)
        check_validation(validation, functions.evaluate)
        evaluate, loop, end = self._programs
        try:
            state = _with_epoch(state)
            traced = [evaluate.trace(state, validation)]
            begun = Begun(state, traced[0].out_info, state, None)
            if block is not None:
                traced += [loop.trace(state, begun.evaluation, *block)]
                after, info, losses = traced[-1].out_info
                shape = (n_losses, *losses.shape[1:])
                losses = jax.ShapeDtypeStruct(shape, losses.dtype)
                begun = begun._replace(state=after, info=info, losses=losses)
            traced += [end.trace(begun, rest, stop, 1)]
        except Exception as error:
            explain(error, state=state)
            raise
        run = jax.eval_shape(self.end, begun, rest, stop)
        return Traced([one.jaxpr for one in traced], begun, run)

    def begin(self, state: TrainState, validation: Batch | None) -> Begun:
        """Begins an epoch."""
        state = _with_epoch(state)
        return Begun(state, self._programs.evaluate(state, validation), state, None)

    def advance(
        self,
        begun: Begun,
        chunk: Batch,
        rows: Int[ArrayLike, "batches size"],
        number: ArrayLike,
    ) -> Begun:
        """Makes the steps of some full batches; their losses alone are returned.

        Args:
            begun: the epoch so far.
            chunk: rows.
            rows: which of them make which batch.
            number: how many of the batches to take, at least one.
        """
        state, info, losses = self._programs.loop(
            begun.state, begun.evaluation, chunk, rows, number
        )
        return begun._replace(state=state, info=info, losses=losses)

    def end(self, begun: Begun, rest: Rest, stop: Rule | None) -> Run:
        """Makes what is left of an epoch.

        Args:
            begun: the epoch so far, with all its losses.
            rest: what is left.
            stop: a stopping rule.

        Returns:
            The run of this one epoch.
        """
        return self._end(begun, rest, stop, 1)

    def nothing(
        self, types: Begun, state: TrainState, rest: Rest, stop: Rule | None
    ) -> Run:
        """The run of no epoch.

        Args:
            types: those of an epoch, as `trace` returns them.
            state: where the run begins.
            rest: whatever has the types of a rest.
            stop: a stopping rule; that of the run has begun to watch.
        """

        def zeros(leaf: Any) -> np.ndarray:
            return np.zeros(leaf.shape, leaf.dtype)

        unseen = types._replace(before=None, state=None)
        state = _with_epoch(state)
        begun = jax.tree.map(zeros, unseen)._replace(before=state, state=state)
        if stop is None or stop.watch is not None:
            return self._end(begun, rest, stop, 0)
        # Without the steps it is compiled soon.
        result = self._programs.end(begun, rest, stop, None)
        return as_run(result, np.zeros((), np.int32), stop)

    def _end(self, begun: Begun, rest: Rest, stop: Rule | None, number: int) -> Run:
        made = np.asarray(number, np.int32)
        return as_run(self._programs.end(begun, rest, stop, made), made, stop)


def _with_epoch(state: TrainState) -> TrainState:
    # By default it is a Python number, whose type would change.
    return state._replace(epoch=jnp.asarray(state.epoch, jnp.int32))
