"""A run whose training data come part by part.

While the device makes the steps of one block of batches the next one is read, so that
two are in memory. An epoch may be left between two blocks, and gone on with there.
"""

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._jaxprs import text_of
from funclearn._processes import wait_for
from funclearn._types import Batch
from funclearn.data import existing
from funclearn.running._chunk import Bad, Chunk, Decide, Part, Resumed, next_number
from funclearn.running._chunks import anywhere, on_device, row_of
from funclearn.running._divergence import all_finite
from funclearn.running._source import Block, Source
from funclearn.stopping import Rule
from funclearn.training import (
    Begun,
    History,
    Parts,
    Rest,
    Run,
    TrainState,
    TrainStep,
    with_goal,
)

__all__ = ["Streamed"]

_SECONDS = 0.25  # that a block is to take, and between two looks at the run


class Streamed:
    """The programs of such a run, with the attributes of `Program`."""

    def __init__(
        self,
        train_step: TrainStep,
        state: TrainState,
        source: Source,
        validation: Batch | None,
        options: dict[str, Any],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Traces them, which refuses what `fit` would.

        Args:
            train_step: as for `fit`.
            state: where the run begins.
            source: the training data.
            validation: the validation data.
            options: the further arguments of `fit`.
            clock: seconds.
        """
        self._source, self._clock = source, clock
        self._validation = on_device("validation", validation)
        goal = options["best_on"], options["best_direction"]
        self.given = with_goal(options["stop"], *goal)
        functions = train_step, options["evaluate"], options["record"]
        block, self._rest = source.example(state.key, int(state.epoch))
        looks = _looks_at_gradients(options["record"], self.given)
        self._parts = Parts(
            *functions,
            batch_size=source.batch_size,
            weighed=source.weighed,
            looks=looks and not self._rest.n_batches,
        )
        # Of a function nobody knows how many there will be: one mean of them all.
        n_losses = (source.n_batches or 1) - self._rest.n_batches
        types = anywhere((state, existing(self._validation)))
        types = types[0]._replace(epoch=int(state.epoch)), types[1]
        traced = self._parts.trace(*types, block, self._rest, self.given, n_losses)
        self._jaxprs = traced.jaxprs
        self._types, self.stop = traced.begun, traced.run.stop
        self.row = row_of(traced.run.history)
        self._wanted = 1  # batches in the next block
        self._size = source.n_batches  # of an epoch, once it is known
        self._seen, self._count = clock(), 0  # at the last chunk, and batches since

    @property
    def identity(self) -> PyTree:
        """What tells the data from others; reads some of them."""
        return self._source.identity(), existing(self._validation)

    @property
    def text(self) -> str:
        """What they compute, as JAX writes it down."""
        return "\n".join(map(text_of, self._jaxprs))

    def nothing(self, state: TrainState, stop: Rule | None) -> Run:
        """The run of no epoch."""
        return self._parts.nothing(self._types, state, self._rest, stop)

    def part_like(self, state: TrainState, n_losses: int) -> Begun:
        """The types of an epoch on its way, to restore one."""
        kind = self._types.losses
        losses = jax.ShapeDtypeStruct((n_losses, *kind.shape[1:]), kind.dtype)
        return Begun(state, self._types.evaluation, state, losses)

    def bad(self, chunk: Chunk, left: int) -> Bad | None:
        """Where a chunk went wrong, as `chunks` has found."""
        del left
        if chunk.bad is None:
            return None
        before = self.nothing(chunk.start, chunk.stop)
        return Bad(chunk.bad, 0, before, chunk.run.history, chunk.number, chunk.step)

    def chunks(
        self, start: Resumed, epochs: int, decide: Decide | None = None
    ) -> Iterator[Chunk]:
        """Makes a number of epochs; ends early if the rule fires, or one goes wrong.

        Args:
            start: where to start; an epoch on its way is gone on with first.
            epochs: how many.
            decide: agrees with other processes; None in one alone.

        Yields:
            Every epoch, and what there is of one between two of its blocks.
        """
        self._decide = decide
        state, stop, part, step = start
        last, held = self.nothing(state, stop), None
        if last.reason.code:
            return
        for left in reversed(range(epochs)):
            if part is None:
                begun, first = self._parts.begin(state, self._validation), step
            else:
                begun, first, part = part.begun, step - part.made, None
            begun, rest, step = yield from self._blocks(begun, last, stop, step)
            last = self._parts.end(self._joined(begun), rest, stop)
            wait_for(last.state.epoch)
            self._agreed(1)
            chunk = self._chunk(begun.before, stop, last, 1, step=step)
            lost, broken = _is_lost(last), not all_finite(last.state.params)
            if held is not None:
                yield _both(held, chunk)
                return
            if last.reason.code:
                yield chunk
                return
            if lost or (broken and not left):
                yield chunk._replace(bad=0 if lost else 1, step=first)
                return
            if broken:
                # The loss of the next epoch is the first to show it.
                held = chunk._replace(step=first)
            else:
                yield chunk
            state, stop = last.state, last.stop

    def _blocks(
        self, begun: Begun, last: Run, stop: Rule | None, step: int
    ) -> Generator[Chunk, None, tuple[Begun, Rest, int]]:
        """Makes the blocks of an epoch; returns it, what is left, and the step."""
        before = begun.before
        losses = [] if begun.losses is None else [np.asarray(begun.losses)]
        made = sum(map(len, losses))
        parts = self._source.parts(
            before.key, int(before.epoch), made, lambda: self._wanted
        )
        part = next(parts)
        # All have read it, before any computes what needs all of them.
        self._agreed(1)
        while isinstance(part, Block):
            began = self._clock()
            begun = self._parts.advance(begun, *part)
            following = next(parts)  # read while the device computes
            wait_for(begun.losses)
            look = self._pace(part.number, self._clock() - began)
            losses.append(np.asarray(begun.losses)[: part.number])
            made, step = made + part.number, step + part.number
            part = following
            if isinstance(part, Block) and look:
                losses = [np.concatenate(losses)]
                begun = begun._replace(losses=losses[0])
                run = last._replace(state=begun.state)
                more = {"part": Part(begun, made, self._size), "step": step}
                yield self._chunk(before, stop, run, 0, **more)
        if losses:
            begun = begun._replace(losses=np.concatenate(losses))
        more = part.n_batches
        self._size, self._count = made + more, self._count + more
        return begun, part, step + more

    def _chunk(
        self, start: TrainState, stop: Rule | None, run: Run, number: int, **more: Any
    ) -> Chunk:
        """A chunk that ends now."""
        now = self._clock()
        rate = self._count / max(now - self._seen, 1e-12) / (self._size or np.nan)
        self._seen, self._count = now, 0
        return Chunk(start, stop, run, number, rate, **more)

    def _pace(self, number: int, seconds: float) -> bool:
        """Has the next blocks take about as long as they should.

        Returns:
            Whether it is time to look at the run.
        """
        wanted = next_number(number, seconds, _SECONDS)
        self._count += number
        wanted, look = self._agreed(wanted, int(self._clock() - self._seen >= _SECONDS))
        # None are wanted where a run is to end.
        self._wanted = max(1, wanted)
        return bool(look) or not wanted

    def _agreed(self, *numbers: int) -> tuple[int, ...]:
        """The numbers of all processes."""
        return numbers if self._decide is None else self._decide(*numbers)

    def _joined(self, begun: Begun) -> Begun:
        """The epoch with as many losses as its program was traced for."""
        if self._source.n_batches is not None:
            return begun
        losses = np.sum(begun.losses, axis=0, keepdims=True, dtype=np.float64)
        return begun._replace(losses=losses.astype(begun.losses.dtype))


def _is_lost(run: Run) -> bool:
    """Whether the loss of an epoch is not finite, as far as the row tells."""
    rows = run.history
    return isinstance(rows, History) and not np.isfinite(rows.loss).all()


def _both(broken: Chunk, after: Chunk) -> Chunk:
    """Two epochs as one chunk, the first of which left what is not finite."""
    rows = jax.tree.map(
        lambda *parts: np.concatenate(parts), broken.run.history, after.run.history
    )
    run = after.run._replace(history=rows)
    return broken._replace(run=run, number=2, rate=after.rate, bad=1)


def _looks_at_gradients(
    record: Callable[..., PyTree] | None, stop: Rule | None
) -> bool:
    """Whether a row or a rule may depend on the gradient of a step."""
    return record is not None or (stop is not None and "grads" in stop.looks_at)
