"""Lanes that are shown while they run.

A block is scored by the thread that ran it, and shown by the one that waits for all: so
no thread but that of the caller ever writes to its terminal, and Ctrl-C finds it there.
"""

import collections
import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import PyTree

from funclearn import _display
from funclearn._display import Progress, SeenLanes
from funclearn._lanes._spread import Spread

__all__ = ["MakeScore", "Watch", "watching"]

MakeScore: TypeAlias = Callable[[PyTree], Callable[[PyTree], PyTree] | None]
"""Makes of the shapes and dtypes that a lane returns its score, if it has one."""


class Watch:
    """What is known of lanes while they run, and what shows it."""

    def __init__(
        self, display: Progress, lanes: int, make_score: MakeScore, direction: str
    ) -> None:
        """Begins with none of them done.

        Args:
            display: what shows it.
            lanes: the number of all.
            make_score: what the best so far goes by.
            direction: `"min"`, or `"max"` if more is better.
        """
        self._display, self._make_score = display, make_score
        self._best_of = np.fmax if direction == "max" else np.fmin
        self._seen = SeenLanes(0, lanes, None, math.nan)
        self._scores: Callable[[PyTree], PyTree] | None = None
        self._began: float | None = None
        self._kept = 0
        # The threads append to it, and the one that waits takes from it.
        self._blocks: collections.deque[tuple[int, float, float]] = collections.deque()

    def expect(self, lane: PyTree) -> None:
        """Gets ready to score lanes.

        Args:
            lane: the shapes and dtypes that one returns.
        """
        score = self._make_score(lane)
        self._scores = None if score is None else jax.jit(jax.vmap(score))
        self._structure = jax.tree.structure(lane)

    def begin(self, kept: int = 0, elsewhere: int = 0) -> None:
        """Starts the clock, unless it runs.

        Args:
            kept: how many more lanes are done already.
            elsewhere: of how many more nothing will be told.
        """
        done, lanes = self._seen.lane + kept, self._seen.lanes - elsewhere
        self._seen = self._seen._replace(lane=done, lanes=lanes)
        self._kept += kept
        self._began = self._began or time.monotonic()

    def take(self, outputs: Sequence[ArrayLike], number: int) -> None:
        """Takes the leaves that a block returned, for as many of its lanes as count."""
        best = math.nan
        if self._scores is not None:
            block = jax.tree.unflatten(self._structure, outputs)
            scores = np.asarray(self._scores(block))[:number]
            best = float(self._best_of.reduce(scores.astype(np.float64)))
        self._blocks.append((number, best, time.monotonic()))

    def look(self) -> None:
        """Shows what is known by now."""
        while self._blocks:
            number, best, ended = self._blocks.popleft()
            done, known = self._seen.lane + number, self._seen.best
            best = float(self._best_of(best, math.nan if known is None else known))
            seconds = ended - (ended if self._began is None else self._began)
            self._seen = self._seen._replace(
                lane=done,
                best=None if math.isnan(best) else best,
                rate=(done - self._kept) / seconds if seconds > 0 else math.nan,
            )
        self._display.show(self._seen)


@contextlib.contextmanager
def watching(
    progress: object,
    lanes: int,
    make_score: MakeScore,
    direction: str = "min",
    spread: Spread | None = None,
) -> Iterator[Watch | None]:
    """Opens a display for lanes, and closes it.

    Args:
        progress: as for `running.run`; False shows nothing.
        lanes: the number of all.
        make_score: what the best so far goes by.
        direction: `"min"`, or `"max"` if more is better.
        spread: where the lanes run; the first process alone shows them, its own ones.

    Yields:
        What to tell of the lanes; None if nothing is shown.
    """
    if progress is False or (spread is not None and spread.process):
        yield None
        return
    with _display.progress(progress) as display:
        yield Watch(display, lanes, make_score, direction)
