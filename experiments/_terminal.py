"""What the experiments print."""

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from experiments import _environment
from experiments._page import count
from experiments._plain import cell, numeric_columns, parts

__all__ = [
    "console",
    "progress_line",
    "show_device",
    "show_published",
    "show_summary",
    "totals",
]

Summary = dict[str, Any]

_STYLE: dict[str, Any] = {
    "box": box.SIMPLE_HEAD,
    "pad_edge": False,
    "show_edge": False,
    "title_justify": "left",
    "title_style": "bold",
}


def console() -> Console:
    """Opens a terminal that prints text as it is: brackets and colons mean nothing."""
    return Console(markup=False, emoji=False, highlight=False)


def show_device(terminal: Console) -> None:
    """Prints the device, and why an accelerator of this machine is idle."""
    terminal.print(f"JAX runs on {_environment.device()}.")
    if reason := _environment.idle_accelerator():
        terminal.print(reason, style="yellow")


def show_summary(terminal: Console, summary: Summary) -> None:
    """Prints the tables and the findings of one experiment."""
    for table in summary["tables"]:
        terminal.print()
        terminal.print(_table(table["title"], table["columns"], table["rows"]))
    terminal.print()
    for finding in summary["findings"]:
        terminal.print(f"- {finding}")


def progress_line(summary: Summary) -> str:
    """Says how one of several experiments went."""
    met, total = count([summary])
    result = summary["error"] or (f"{met} of {total} met" if total else "")
    return f"{summary['name']:<22}{summary['seconds']:6.1f} s  {result}".rstrip()


def show_published(terminal: Console, summaries: Iterable[Summary]) -> None:
    """Prints every published figure beside the computed one, a table a source."""
    entries = [entry for summary in summaries for entry in summary["published"]]
    for source in dict.fromkeys(entry["source"] for entry in entries):
        table = Table(title=source, expand=True, **_STYLE)
        table.add_column("Quantity", no_wrap=True)
        table.add_column("Published", overflow="fold", ratio=1)
        table.add_column("Computed", overflow="fold", ratio=1)
        table.add_column("Met", no_wrap=True)
        for entry in entries:
            if entry["source"] == source:
                _add(table, entry)
        terminal.print()
        terminal.print(table)


def _add(table: Table, entry: Summary) -> None:
    style = None if entry["met"] else "bold red"
    first, *others = parts(entry["published"], entry["computed"])
    if first[0]:
        table.add_row(entry["id"], "", "", _verdict(entry), style=style)
        others = [first, *others]
    else:
        table.add_row(entry["id"], *first[1:], _verdict(entry), style=style)
    for name, published, computed in others:
        table.add_row(f"  {name}", published, computed, "")
    for miss in entry["misses"]:
        table.add_row("", "", miss, "", style=style)


def _verdict(entry: Summary) -> str:
    return "met" if entry["met"] else "MISSED"


def totals(summaries: Iterable[Summary]) -> str:
    """Says how many published figures are met."""
    met, total = count(summaries)
    return f"published figures: {met} of {total} met"


def _table(title: str, columns: list[str], rows: list[list[Any]]) -> Table:
    table = Table(title=title, **_STYLE)
    numeric = numeric_columns(rows) or [False] * len(columns)
    for column, is_number in zip(columns, numeric, strict=True):
        justify = "right" if is_number else "left"
        table.add_column(column, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    return table
