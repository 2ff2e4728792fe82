"""What was measured, written down, and read again."""

import datetime
import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks._rows import Line

__all__ = ["RESULTS", "Record", "behind", "latest", "made_here", "write"]

RESULTS = Path(__file__).with_name("results")


class Record(NamedTuple):
    """A run of the table.

    Attributes:
        date: when, as YYYY-MM-DD.
        machine: the processor and how many of its cores.
        versions: of Python and the packages.
        lines: the comparisons.
        memory: MiB beyond the imports at most, by program, ours and PyTorch's.
    """

    date: str
    machine: str
    versions: dict[str, str]
    lines: list[Line]
    memory: dict[str, dict[str, float]]


def made_here(lines: Sequence[Line], memory: dict[str, dict[str, float]]) -> Record:
    """A record of this machine and this day."""
    versions = {"Python": platform.python_version()}
    versions |= {name: version(name) for name in ("funclearn", "jax", "jaxlib")}
    today = datetime.date.today().isoformat()
    return Record(today, _machine(), versions, list(lines), memory)


def write(record: Record) -> Path:
    """Writes a record beside the earlier ones."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{record.date}.json"
    kept: dict[str, Any] = record._asdict()
    kept["lines"] = [line._asdict() for line in record.lines]
    path.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    return path


def latest(before: str | None = None, machine: str | None = None) -> Record | None:
    """The newest record.

    Args:
        before: of days before this one only.
        machine: of this machine only.
    """
    for path in sorted(RESULTS.glob("*.json"), reverse=True):
        read = json.loads(path.read_text("utf-8"))
        record = Record(**{**read, "lines": [Line(**line) for line in read["lines"]]})
        if before is not None and record.date >= before:
            continue
        if machine is None or record.machine == machine:
            return record
    return None


def behind(line: Line, earlier: Record | None) -> bool:
    """Whether a comparison is worse than earlier by more than the noise of both."""
    for old in earlier.lines if earlier else []:
        if (old.name, old.beside) == (line.name, line.beside):
            return line.faster + line.noise < old.faster - old.noise
    return False


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"
