"""Functions of the user's that are told how a run goes."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import PyTree

from funclearn.training import TrainState

__all__ = ["Callback", "Report", "call"]


class Report(NamedTuple):
    """What a callback is given between two chunks.

    Attributes:
        epoch: number of epochs made, those of earlier starts included.
        epochs: the largest number of them.
        rows: the rows of the chunk, as arrays of NumPy along axis 0.
        state: the state after it.
    """

    epoch: int
    epochs: int
    rows: PyTree
    state: TrainState


Callback = Callable[[Report], object]
"""Is given values; what it returns is not looked at."""


def call(callback: Callback, report: Report) -> None:
    """Calls one; what it raises is told by its name."""
    try:
        callback(report)
    except Exception as error:
        name = getattr(callback, "__qualname__", repr(callback))
        raise RuntimeError(f"callback {name} raised {error!r}") from error
