"""What is told of one kind of fault."""

from collections.abc import Mapping
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["Line", "show"]


class Line(NamedTuple):
    """How many of a kind there were, and what came of them.

    Attributes:
        kind: the kind of fault.
        number: how many.
        outcomes: how often each outcome came.
        wrong: how many were lost or silently wrong.
        seconds: how long it took.
    """

    kind: str
    number: int
    outcomes: Mapping[str, object]
    wrong: int = 0
    seconds: float = 0.0


def show(lines: list[Line]) -> None:
    """Prints the table."""
    table = Table(title="Faults", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("kind", "number", "wrong", "s"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    table.add_column("what came of them", overflow="fold")
    for line in lines:
        outcomes = ", ".join(f"{name}: {n}" for name, n in line.outcomes.items())
        wrong = f"[red]{line.wrong}[/]" if line.wrong else "0"
        table.add_row(
            line.kind, f"{line.number:,}", wrong, f"{line.seconds:.0f}", outcomes
        )
    Console(width=max(120, Console().width)).print(table)
