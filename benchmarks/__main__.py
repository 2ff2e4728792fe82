"""Prints the table of speeds, and writes it to `benchmarks/results`."""

import sys
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks._loops import compiled_loops
from benchmarks._options import Options
from benchmarks._processes import TORCH, Torch, beyond
from benchmarks._record import Record, behind, latest, made_here, write
from benchmarks._rows import Line, measured
from benchmarks.table import rows

MEMORY = {
    "thermometer": "thermometer",
    "wide net": "wide net",
    "images": "images by indexing",
    "sweep": None,
    "sweep, history": None,
    "splits": None,
    "check": None,
    "new rates": "new rates",
}
"""Programs of ours whose memory is measured, and PyTorch's of the same."""


def lines() -> Iterator[Line]:
    """Times all rows; each is told when it is known."""
    with Torch() as torch:
        for row in rows(torch, compiled_loops()):
            for line in measured(row):
                told = f"{line.name}: {line.faster:.3g} x {line.beside}"
                print(told, file=sys.stderr, flush=True)
                yield line


def memory() -> dict[str, dict[str, float]]:
    """MiB beyond the imports, by program."""
    found = {}
    for name, theirs in MEMORY.items():
        taken = {"ours": beyond(sys.executable, "benchmarks._peak", name)}
        if theirs is not None:
            taken["PyTorch"] = beyond(TORCH, "benchmarks._torch_child", theirs)
        found[name] = {who: mib for who, mib in taken.items() if mib is not None}
    return found


def show(record: Record, earlier: Record | None) -> None:
    """Prints a record, and marks what fell behind an earlier one."""
    versions = ", ".join(f"{name} {of}" for name, of in record.versions.items())
    title = f"{record.date}, {record.machine}; {versions}"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("program", "beside", "times as fast", "±", "at least", "", "ms"):
        right = name in ("times as fast", "±", "at least", "ms")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for line in record.lines:
        verdict = {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[line.met]
        if behind(line, earlier):
            verdict += f" [red]behind {earlier.date if earlier else ''}[/]"
        target = "" if line.at_least is None else f"{line.at_least:.3g}"
        numbers = f"{line.faster:.3g}", f"{line.noise:.2g}", target
        took = f"{line.milliseconds:.3g}"
        table.add_row(line.name, line.beside, *numbers, verdict, took)
    console = Console(width=max(160, Console().width))
    console.print(table)
    for name, taken in record.memory.items():
        mib = ", ".join(f"{who} {number:.0f} MiB" for who, number in taken.items())
        console.print(f"memory beyond the imports, {name}: {mib}")


def main() -> None:
    """Measures, prints, and writes it down."""
    Options(prog="python -m benchmarks", description=__doc__).parse_args()
    record = made_here(list(lines()), memory())
    show(record, latest(before=record.date, machine=record.machine))
    path = write(record)
    print(path.relative_to(path.parents[2]))


if __name__ == "__main__":
    main()
