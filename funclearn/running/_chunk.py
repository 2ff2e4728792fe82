"""What a run has made between two looks at it."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

from jaxtyping import PyTree

from funclearn.stopping import Rule
from funclearn.training import Begun, Run, TrainState

__all__ = ["Advancing", "Bad", "Chunk", "Decide", "Part", "Resumed", "next_number"]

_GROWTH = 10  # at most, from one to the next

Decide: TypeAlias = Callable[..., tuple[int, ...]]
"""`(*numbers) -> numbers`, the same ones in all processes of a run."""


@runtime_checkable
class Advancing(Protocol):
    """What can make epochs again."""

    def advance(self, state: TrainState, stop: Rule | None, number: int) -> Run:
        """Makes a number of epochs."""
        ...


class Part(NamedTuple):
    """An epoch on its way.

    Attributes:
        begun: what there is of it.
        made: number of its batches made.
        of: how many it has; None where nobody knows.
    """

    begun: Begun
    made: int
    of: int | None


class Resumed(NamedTuple):
    """Where a run begins or goes on.

    Attributes:
        state: after the last whole epoch.
        stop: the stopping rule, with what it remembers.
        part: the epoch on its way.
        step: what the checkpoint is called by: the number of epochs, of data that come
            part by part that of batches.
    """

    state: TrainState
    stop: Rule | None
    part: Part | None = None
    step: int = 0


class Chunk(NamedTuple):
    """Some epochs, or what there is of one.

    Attributes:
        start: the state before them.
        stop: the stopping rule before them.
        run: what came of them.
        number: how many ran.
        rate: epochs a second; NaN where nobody knows.
        part: an epoch on its way; None after whole ones.
        step: what its checkpoint is called by, in place of the number of epochs; of one
            that went wrong, that of `start`.
        bad: the first epoch of them that went wrong, counted from 0, and as many as
            there are where the next would; None where none did, or nobody has looked.
    """

    start: TrainState
    stop: Rule | None
    run: Run
    number: int
    rate: float
    part: Part | None = None
    step: int | None = None
    bad: int | None = None


class Bad(NamedTuple):
    """Where a chunk went wrong.

    Attributes:
        number: the first bad epoch, as in `Chunk`.
        good: how many of its epochs lead to the last parameters that are finite.
        run: that of these.
        rows: the rows of the chunk, and of one epoch more if need be.
        end: how many of them count.
        step: what a checkpoint of `run` is called by, as in `Chunk`.
    """

    number: int
    good: int
    run: Run
    rows: PyTree
    end: int
    step: int | None = None


def next_number(number: int, seconds: float, wanted: float) -> int:
    """How many epochs of a chunk, or batches of a block, come next.

    Args:
        number: how many the last one had.
        seconds: what that one took.
        wanted: what the next one is to take.
    """
    return max(1, min(int(wanted * number / max(seconds, 1e-12)), _GROWTH * number))
