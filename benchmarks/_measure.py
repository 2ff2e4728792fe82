"""Paired measurements in one process, and the table that they end in.

What is compared runs in turn, over and over, so that whatever else the machine does
slows both; a figure is the median over the turns.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["Figure", "median_ratio", "seconds", "show"]


class Figure(NamedTuple):
    """A measured number and what it should be.

    Attributes:
        name: what was measured.
        value: the number, in `unit`.
        unit: its unit; "x" for a ratio.
        target: what it should reach; None where it stands for comparison.
        at_least: whether more is better.
        beside: what to compare it with, in words.
    """

    name: str
    value: float
    unit: str = "x"
    target: float | None = None
    at_least: bool = False
    beside: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without a target."""
        if self.target is None:
            return None
        value = -self.value if self.at_least else self.value
        return value <= (-self.target if self.at_least else self.target)


def seconds(
    functions: Mapping[str, Callable[[], Any]], turns: int
) -> dict[str, np.ndarray]:
    """Times functions in turn, each right after a call of itself.

    That call compiles, and takes the caches over from what ran before.

    Returns:
        By name, the seconds of every turn.
    """
    taken = {name: np.empty(turns) for name in functions}
    for turn in range(turns):
        for name, function in functions.items():
            jax.block_until_ready(function())
            started = time.perf_counter()
            jax.block_until_ready(function())
            taken[name][turn] = time.perf_counter() - started
    return taken


def median_ratio(taken: Mapping[str, np.ndarray], one: str, other: str) -> float:
    """The median over the turns of how many times as long `one` took as `other`."""
    return float(np.median(taken[one] / taken[other]))


def show(title: str, figures: Sequence[Figure], note: str = "") -> None:
    """Prints the figures as a table, and a note below it."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("measured", no_wrap=True)
    table.add_column("median", justify="right", no_wrap=True)
    table.add_column("target", justify="right", no_wrap=True)
    table.add_column("")
    table.add_column("beside", no_wrap=True)
    for figure in figures:
        table.add_row(
            figure.name,
            f"{_number(figure.value)} {figure.unit}",
            _target(figure),
            {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[figure.met],
            figure.beside,
        )
    Console(width=max(100, Console().width)).print(table, note)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"{'≥' if figure.at_least else '≤'} {figure.target:g} {figure.unit}"
