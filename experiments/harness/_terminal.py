"""What the experiments print."""

import sys
from collections.abc import Iterable

import rich.table
from rich import box
from rich.console import Console

from experiments.harness import _environment
from experiments.harness._experiment import Table
from experiments.harness._page import Page
from experiments.harness._plain import cell, numeric_columns, parts
from experiments.harness._published import Comparison
from experiments.harness._summary import Summary, count

__all__ = [
    "console",
    "progress_line",
    "show_device",
    "show_left_out",
    "show_published",
    "show_summary",
    "totals",
]


def console() -> Console:
    """Opens a terminal that prints text as it is: brackets and colons mean nothing."""
    return Console(markup=False, emoji=False, highlight=False)


def show_device(terminal: Console) -> None:
    """Prints the device, and why an accelerator of this machine is idle."""
    terminal.print(f"JAX runs on {_environment.device()}.")
    if reason := _environment.idle_accelerator():
        terminal.print(reason, style="yellow")


def show_left_out(page: Page) -> None:
    """Prints, as errors, which experiments the page leaves out, and why."""
    for reason in page.left_out:
        print(reason, file=sys.stderr)


def show_summary(terminal: Console, summary: Summary) -> None:
    """Prints the tables and the findings of one experiment."""
    for table in summary.tables:
        terminal.print()
        terminal.print(_filled(table))
    terminal.print()
    for finding in summary.findings:
        terminal.print(f"- {finding}")


def progress_line(summary: Summary) -> str:
    """Says how one of several experiments went."""
    counted = count([summary])
    met = f"{counted.met} of {counted.total} met" if counted.total else ""
    result = summary.error or met
    return f"{summary.name:<22}{summary.seconds:6.1f} s  {result}".rstrip()


def show_published(terminal: Console, summaries: Iterable[Summary]) -> None:
    """Prints every published figure beside the computed one, a table a source."""
    entries = [entry for summary in summaries for entry in summary.published]
    for source in dict.fromkeys(entry.source for entry in entries):
        grid = _grid(source, expand=True)
        grid.add_column("Quantity", no_wrap=True)
        grid.add_column("Published", overflow="fold", ratio=1)
        grid.add_column("Computed", overflow="fold", ratio=1)
        grid.add_column("Within", no_wrap=True)
        grid.add_column("Met", no_wrap=True)
        for entry in entries:
            if entry.source == source:
                _add(grid, entry)
        terminal.print()
        terminal.print(grid)


def _add(grid: rich.table.Table, entry: Comparison) -> None:
    style = None if entry.met else "bold red"
    verdict = "met" if entry.met else "MISSED"
    first, *others = parts(entry.published, entry.computed, entry.tolerance)
    if first[0]:
        grid.add_row(entry.id, "", "", "", verdict, style=style)
        others = [first, *others]
    else:
        grid.add_row(entry.id, *first[1:], verdict, style=style)
    for name, published, computed, within in others:
        grid.add_row(f"  {name}", published, computed, within, "")
    for miss in entry.misses:
        grid.add_row("", "", miss, "", "", style=style)


def totals(summaries: Iterable[Summary]) -> str:
    """Says how many published figures are met."""
    counted = count(summaries)
    return f"published figures: {counted.met} of {counted.total} met"


def _filled(table: Table) -> rich.table.Table:
    grid = _grid(table.title)
    numeric = numeric_columns(table.rows) or [False] * len(table.columns)
    for column, is_number in zip(table.columns, numeric, strict=True):
        justify = "right" if is_number else "left"
        grid.add_column(column, justify=justify, overflow="fold")
    for row in table.rows:
        grid.add_row(*map(cell, row))
    return grid


def _grid(title: str, *, expand: bool = False) -> rich.table.Table:
    return rich.table.Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        expand=expand,
    )
