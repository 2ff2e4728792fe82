"""The tables: what was measured beside what is predicted, and what is predicted."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.scaling._model import Compute, Network, step_seconds
from benchmarks.scaling._traffic import Collective

__all__ = ["Case", "Device", "show_cases", "show_predicted"]

_MOST = 4096
_ASSUMED = """Assumed: what no option gives is as measured here, on one core and between
the devices of one process; a device does nothing else; it computes, then tells, and
does not do both at once; each computes as many rows, at least one; every two of them
are as near as any other two, and all-reduces take the way named above; memory suffices;
and an operation takes as long for few rows as for many."""


class Device(NamedTuple):
    """One that trains a model.

    Attributes:
        name: of the model.
        compute: what it takes by itself.
        flops: operations on floats of a row.
        words: what so many tell each other in a step.
    """

    name: str
    compute: Compute
    flops: float
    words: Callable[[int], list[Collective]]


class Case(NamedTuple):
    """A step that was measured.

    Attributes:
        device: each of those that made it.
        n: how many there are.
        rows: of the whole batch.
        seconds: that it took.
    """

    device: Device
    n: int
    rows: int
    seconds: float


def _predicted(
    device: Device, network: Network, n: int, rows: int, cores: float = float("inf")
) -> float:
    return step_seconds(
        device.compute,
        network,
        device.words(n),
        devices=n,
        rows=rows,
        flops=device.flops,
        cores=cores,
    )


def show_cases(kind: str, network: Network, cores: int, cases: Sequence[Case]) -> None:
    """Prints steps of this machine.

    Args:
        kind: what shares the machine: devices or processes.
        network: between them.
        cores: of this machine.
        cases: the steps.
    """
    title = f"Steps here, {kind} that share {cores} cores: {_told(network)}"
    table = _table("model", kind, "rows", "measured", "predicted", "ratio")
    for case in cases:
        predicted = _predicted(case.device, network, case.n, case.rows, cores)
        table.add_row(
            case.device.name,
            str(case.n),
            f"{case.rows:,}",
            _time(case.seconds),
            _time(predicted),
            f"{predicted / case.seconds:.2f}",
        )
    _print(
        title, table, "The ratio is that of predicted to measured: 1 where it is right."
    )


def show_predicted(
    network: Network, devices: Sequence[Device], rows: int, rows_per_device: int
) -> None:
    """Prints steps of 1 to 4,096 devices, each with cores of its own.

    Args:
        network: between them.
        devices: one for each model.
        rows: of the batch that stays.
        rows_per_device: of the one that grows.
    """
    heads = [
        f"{device.name}, {batch}"
        for device in devices
        for batch in (f"{rows:,} rows", f"{rows_per_device:,} rows each")
    ]
    title = f"Steps of devices with cores of their own, predicted: {_told(network)}"
    table = _table("devices", *heads)
    n = 1
    while n <= _MOST:
        cells = []
        for device in devices:
            for of_one, of_n in ((rows, rows), (rows_per_device, n * rows_per_device)):
                alone = _predicted(device, network, 1, of_one)
                taken = _predicted(device, network, n, of_n)
                useful = alone * of_n / of_one / (n * taken)
                cells.append(f"{_time(taken)} {useful:4.0%}")
        table.add_row(f"{n:,}", *cells)
        n *= 2
    constants = "; ".join(
        f"{device.name}: {_time(device.compute.overhead)} a step, "
        f"{device.flops:,.0f} operations a row, {device.compute.rate:.3g} a second"
        for device in devices
    )
    told = "Beside the time stands what part of all devices' time one would need."
    _print(title, table, f"{told}\n{constants}.\n{' '.join(_ASSUMED.split())}")


def _told(network: Network) -> str:
    return (
        f"{network.hops}, {_time(network.latency)} a hop, "
        f"{network.bandwidth / 1e9:.3g} GB/s"
    )


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        justify = "left" if column == "model" else "right"
        table.add_column(column, justify=justify)
    return table


def _print(title: str, table: Table, note: str) -> None:
    console = Console(width=max(120, Console().width), highlight=False)
    console.print(f"\n[bold]{title}[/]", table, note)


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{1e6 * seconds:.3g} µs"
    return f"{1e3 * seconds:.4g} ms"
