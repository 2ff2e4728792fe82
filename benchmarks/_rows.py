"""Rows of the table: what ours takes, beside others, in turn in one run."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

__all__ = ["Beside", "Line", "Row", "clocked", "measured"]

Way = Callable[[], float]
"""Runs once to warm up and once on the clock; returns the seconds."""


class Beside(NamedTuple):
    """What a row is held against.

    Attributes:
        way: how it is timed; NaN where it cannot run here.
        at_least: how many times as fast ours should be; None for comparison alone.
    """

    way: Way
    at_least: float | None = None


class Row(NamedTuple):
    """Something that is timed in several ways.

    Attributes:
        name: what.
        ours: this library's way.
        beside: the others, by name.
        turns: how often each is timed.
    """

    name: str
    ours: Way
    beside: Mapping[str, Beside]
    turns: int = 11


class Line(NamedTuple):
    """One comparison of the table, as it is written down.

    Attributes:
        name: of the row.
        beside: of what it is held against.
        faster: how many times as fast ours is, the median over the turns.
        noise: half of the range that holds the middle half of the turns.
        at_least: as in `Beside`.
        milliseconds: that ours takes, the median.
    """

    name: str
    beside: str
    faster: float
    noise: float
    at_least: float | None
    milliseconds: float

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        return None if self.at_least is None else self.faster >= self.at_least


def clocked(function: Callable[[], Any]) -> Way:
    """Times a function of this process, right after a call of itself."""

    def way() -> float:
        jax.block_until_ready(function())
        started = time.perf_counter()
        jax.block_until_ready(function())
        return time.perf_counter() - started

    return way


def measured(row: Row) -> Iterator[Line]:
    """Times all ways of a row in turn."""
    ways = {"": row.ours} | {name: one.way for name, one in row.beside.items()}
    taken = {name: np.empty(row.turns) for name in ways}
    for turn in range(row.turns):
        for name, way in ways.items():
            taken[name][turn] = way()
    ours = taken.pop("")
    for name, seconds in taken.items():
        ratios = seconds / ours
        if np.isnan(ratios).any():
            continue
        low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
        yield Line(
            row.name,
            name,
            float(middle),
            float(high - low) / 2,
            row.beside[name].at_least,
            1e3 * float(np.median(ours)),
        )
