"""Predicts steps on 1 to 4,096 devices: `python -m benchmarks.scaling --help`.

Steps of three models, full batches, are timed on one core, and all-reduces between the
devices that a CPU is divided into, and between processes. Of these a model of few
constants is made (`benchmarks/scaling/_model.py`). It is held against steps that were
measured, and says what they take on up to 4,096 devices that have cores of their own.
Nothing is assumed of an accelerator: what one is said to have is an option.
"""

import functools
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks._options import Options, amount, count, one_of
from benchmarks.scaling._clock import Taken, measured
from benchmarks.scaling._model import (
    HOPS,
    Compute,
    Network,
    fit_compute,
    fit_network,
)
from benchmarks.scaling._programs import PROGRAMS, flops_of_a_row, words
from benchmarks.scaling._shown import Case, Device, show_cases, show_predicted

__all__ = ["main"]

_OF_A_WORD = (64, 16_384, 1_048_576)
"""Bytes of all-reduces by which the constants between devices are found."""
_PARTS = (64, 8, 1)
"""Into which the rows are divided to find those of a device."""


def main(options: Sequence[str] | None = None) -> int:
    """Measures and predicts; 1 where a process failed."""
    asked = _options(options)
    try:
        return _compare(asked)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _options(options: Sequence[str] | None) -> Any:
    parser = Options(prog="python -m benchmarks.scaling", description=__doc__)
    add = parser.add_argument
    known = ", ".join(PROGRAMS)
    add("models", nargs="*", type=one_of(PROGRAMS), metavar="MODEL", help=known)
    told = "devices of one process to measure steps on"
    add("--devices", nargs="+", type=count, default=[1, 2, 4, 8], help=told)
    told = "numbers of processes to measure steps in"
    add("--processes", nargs="+", type=count, default=[1, 2, 4], help=told)
    add("--rows", type=count, default=1024, help="of a batch that stays as it is")
    told = "of a batch that grows, on each of the devices"
    add("--rows-per-device", type=count, default=64, help=told)
    cores = len(os.sched_getaffinity(0)) if _has_affinity() else os.cpu_count() or 1
    add("--cores", type=count, default=cores, help=f"of this machine; {cores}")
    of = "of a device that is described; by default as measured here"
    add("--overhead", type=amount, help=f"seconds of a step without rows, {of}")
    add("--rate", type=amount, help=f"operations on floats a second, {of}")
    add("--latency", type=amount, help=f"seconds of a hop, {of}")
    add("--bandwidth", type=amount, help=f"bytes a second between devices, {of}")
    fits = "by default what fits better, which takes 4 devices or more to tell"
    add(
        "--hops", type=one_of(HOPS), help=f"of an all-reduce, {', '.join(HOPS)}; {fits}"
    )
    return parser.parse_args(options)


def _has_affinity() -> bool:
    return hasattr(os, "sched_getaffinity")


def _compare(asked: Any) -> int:
    names = asked.models or list(PROGRAMS)
    of_devices = {n: _taken(asked, names, devices=n) for n in asked.devices}
    # One device of one process is the same either way.
    of_processes = {
        n: of_devices[n]
        if n == 1 and n in of_devices
        else _taken(asked, names, processes=n)
        for n in asked.processes
    }
    alone = list(_devices(asked, names))
    between = _network(asked, of_devices)
    tables = [("devices", between, of_devices)]
    if max(asked.processes) > 1:
        tables.append(("processes", _network(asked, of_processes), of_processes))
    for kind, network, taken in tables:
        cases = [
            Case(device, n, rows, of_n.steps[device.name, rows])
            for device in alone
            for n, of_n in taken.items()
            for rows in _batches(asked, n)
        ]
        show_cases(kind, network, asked.cores, cases)
    described = [_as_described(asked, device) for device in alone]
    network = Network(
        asked.latency or between.latency,
        asked.bandwidth or between.bandwidth,
        between.hops,
    )
    show_predicted(network, described, asked.rows, asked.rows_per_device)
    return 0


def _as_described(asked: Any, device: Device) -> Device:
    overhead, rate = device.compute
    compute = Compute(asked.overhead or overhead, asked.rate or rate)
    return device._replace(compute=compute)


def _batches(asked: Any, n: int) -> list[int]:
    """The rows of a batch that stays, and of one that grows."""
    return list(dict.fromkeys([asked.rows, n * asked.rows_per_device]))


def _taken(
    asked: Any, names: Sequence[str], *, devices: int = 1, processes: int = 1
) -> Taken:
    n = devices * processes
    steps = [(name, rows) for name in names for rows in _batches(asked, n)]
    return _told(
        steps, _OF_A_WORD if n > 1 else (), devices=devices, processes=processes
    )


def _network(asked: Any, taken: dict[int, Taken]) -> Network:
    """What lies between devices, or processes; where there is one, between two."""
    several = {n: of_n for n, of_n in taken.items() if n > 1}
    if not several:
        several = {2: _told([], _OF_A_WORD, devices=2)}
    by_both = {
        (n, n_bytes): seconds
        for n, of_n in several.items()
        for n_bytes, seconds in of_n.words.items()
    }
    return fit_network(by_both, asked.cores, asked.hops)


def _devices(asked: Any, names: Sequence[str]) -> Iterator[Device]:
    """What one core computes of each model."""
    rows = sorted({max(1, asked.rows // part) for part in _PARTS})
    steps = [(name, n_rows) for name in names for n_rows in rows]
    taken = _told(steps, (), pinned=True).steps
    for name in names:
        flops = flops_of_a_row(PROGRAMS[name])
        by_rows = {n_rows: taken[name, n_rows] for n_rows in rows}
        compute = fit_compute(by_rows, flops)
        yield Device(name, compute, flops, functools.partial(words, PROGRAMS[name]))


def _told(
    steps: Sequence[tuple[str, int]], of_words: Sequence[int], **where: Any
) -> Taken:
    said = ", ".join(f"{name}={value}" for name, value in where.items())
    print(f"measuring with {said}", file=sys.stderr, flush=True)
    return measured(steps, of_words, **where)


if __name__ == "__main__":
    sys.exit(main())
