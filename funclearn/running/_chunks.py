"""A run in chunks of epochs, each as long as it takes to be worth looking at.

One compiled program serves chunks of every length, and a run in chunks has the bits of
one that is not cut. While a chunk is looked at, the next one is computed already.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._jaxprs import text_of
from funclearn._processes import wait_for
from funclearn._programs import kept
from funclearn._types import Batch
from funclearn.data import as_dataset, existing
from funclearn.running._chunk import Bad, Chunk, Decide, Resumed, next_number
from funclearn.running._divergence import found
from funclearn.stopping import Rule
from funclearn.training import Run, TrainState, TrainStep, advance, with_goal

__all__ = [
    "Program",
    "anywhere",
    "chunks",
    "on_device",
    "row_of",
    "with_defaults",
]

_SECONDS = 0.25  # that a chunk is to take, so that a display moves
_AHEAD = 1.0  # seconds; a longer chunk is not begun before the last one was looked at
_BYTES = 2**23  # of rows, for which every chunk makes room
_ROWS = 2**10  # at least, so that runs of few epochs are one program

_OPTIONS = {
    "batch_size": None,
    "evaluate": None,
    "record": None,
    "stop": None,
    "best_on": None,
    "best_direction": "min",
}


class Program:
    """The compiled program of a run.

    Attributes:
        identity: what tells its data from others, a pytree of arrays: the rows that
            exist.
        given: the stopping rule.
        row: the types of a row's leaves.
        stop: those of the stopping rule after an epoch, with what it remembers.
        longest: the largest number of epochs in a chunk.
    """

    def __init__(
        self,
        train_step: TrainStep,
        state: TrainState,
        train: Batch,
        validation: Batch | None,
        epochs: int,
        options: dict[str, Any],
    ) -> None:
        """Traces it, which refuses what `fit` would."""
        self._step, self._options = train_step, with_defaults(options)
        self._data = on_device("train", train), on_device("validation", validation)
        self.identity = tuple(map(existing, self._data))
        settings = dict(self._options)
        functions = train_step, settings.pop("evaluate"), settings.pop("record")
        # An argument, since its numbers may be others when the run is gone on with.
        stop = settings.pop("stop")
        one = kept(_one_epoch, functions, tuple(settings.items()))
        traced = one.trace(*anywhere((state, self.identity)), stop)
        self.given = with_goal(stop, settings["best_on"], settings["best_direction"])
        self._jaxpr, run = traced.jaxpr, traced.out_info
        self.row = row_of(run.history)
        self.stop = run.stop
        leaves = jax.tree.leaves(self.row)
        row = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
        # A power of two: a run of somewhat more epochs is compiled already.
        rows = 2 ** (max(epochs, _ROWS) - 1).bit_length()
        self.longest = max(1, min(rows, _BYTES // max(row, 1)))

    @property
    def text(self) -> str:
        """What it computes, as JAX writes it down."""
        return text_of(self._jaxpr)

    def advance(self, state: TrainState, stop: Rule | None, number: int) -> Run:
        """Begins to make a number of epochs."""
        return self._advance(state, stop, self.longest, np.int32(number))

    def nothing(self, state: TrainState, stop: Rule | None) -> Run:
        """The run of no epoch, whose rule has begun to watch."""
        if stop is None or stop.watch is not None:
            return self.advance(state, stop, 0)
        # Without a loop it is compiled soon; a loop for this rule would run once.
        return self._advance(state, stop, 0, None)

    def _advance(
        self, state: TrainState, stop: Rule | None, epochs: int, number: Any
    ) -> Run:
        options = {**self._options, "stop": stop, "epochs": epochs, "number": number}
        return advance(self._step, state, *self._data, **options)

    def chunks(
        self, start: Resumed, epochs: int, decide: Decide | None = None
    ) -> Iterator[Chunk]:
        """Makes a number of epochs; ends early if the rule fires.

        Args:
            start: where to start.
            epochs: how many.
            decide: agrees with other processes; None in one alone.
        """
        return chunks(self, start.state, start.stop, epochs, decide=decide)

    def bad(self, chunk: Chunk, left: int) -> Bad | None:
        """Where a chunk went wrong; None if it did not.

        Args:
            chunk: the chunk.
            left: how many epochs there may be yet, its own among them.
        """
        return found(self, chunk, left)


def with_defaults(options: dict[str, Any]) -> dict[str, Any]:
    """All further arguments of `fit`, of which some are given.

    Raises:
        TypeError: if there is one that `fit` has not.
    """
    unknown = set(options) - set(_OPTIONS)
    if unknown:
        raise TypeError(
            f"run has no argument {min(unknown)}; of fit it takes "
            f"{', '.join(_OPTIONS)}."
        )
    return {**_OPTIONS, **options}


def row_of(history: PyTree) -> PyTree:
    """The types of one row of a history."""
    return jax.tree.map(
        lambda rows: jax.ShapeDtypeStruct(rows.shape[1:], rows.dtype), history
    )


def on_device(name: str, data: Batch | None) -> PyTree:
    """The data where all chunks take them from."""
    return None if data is None else jax.tree.map(jnp.asarray, as_dataset(name, data))


def anywhere(tree: PyTree) -> PyTree:
    """The types of a pytree's arrays, wherever these lie.

    A program is the same on any number of devices.
    """

    def type_of(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array):
            return leaf
        weak = getattr(leaf, "weak_type", False)  # keys know of none
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=weak)

    return jax.tree.map(type_of, tree)


def _one_epoch(take: Callable[[], tuple[Any, ...]], settings: Any) -> Any:
    """The program of one epoch, which is traced once for all starts of a run."""

    @jax.jit
    def one(state: TrainState, data: PyTree, stop: Rule | None) -> Run:
        step, evaluate, record = take()
        functions = {"evaluate": evaluate, "record": record, "stop": stop}
        number = jnp.int32(0)
        return advance(
            step, state, *data, epochs=1, number=number, **functions, **dict(settings)
        )

    return one


def chunks(
    program: Program,
    state: TrainState,
    stop: Rule | None,
    epochs: int,
    clock: Callable[[], float] = time.perf_counter,
    decide: Decide | None = None,
) -> Iterator[Chunk]:
    """Makes a number of epochs; ends early if the rule fires."""
    number, pace, ready = 1, 0.0, 0.0
    ahead: _Begun | None = None

    def begin(state: TrainState, stop: Rule | None, left: int) -> _Begun:
        count = min(number, left, program.longest)
        run = program.advance(state, stop, count)
        return _Begun(state, stop, run, count, clock())

    while epochs > 0:
        now, ahead = ahead or begin(state, stop, epochs), None
        if decide is None and epochs > now.number and 0.0 < pace * now.number < _AHEAD:
            number = next_number(now.number, pace * now.number, _SECONDS)
            ahead = begin(now.run.state, now.run.stop, epochs - now.number)
        wait_for(now.run.state.epoch)
        # One that was begun ahead has waited for the one before it.
        began, ready = max(now.began, ready), clock()
        state, stop, ran = now.run.state, now.run.stop, int(now.run.epochs)
        ended, epochs = bool(now.run.reason.code), epochs - ran
        pace = (ready - began) / now.number
        number = next_number(now.number, ready - began, _SECONDS)
        if decide is not None:
            # Another program for all, so it comes before the next chunk, not after.
            (number,) = decide(number)
            if number and epochs > 0 and not ended:
                ahead = begin(state, stop, epochs)
        rate = ran / max(ready - began, 1e-12)
        yield Chunk(now.start, now.stop, now.run, ran, rate)
        if ended:
            return


class _Begun(NamedTuple):
    """A chunk that is computed."""

    start: TrainState
    stop: Rule | None
    run: Run
    number: int
    began: float
