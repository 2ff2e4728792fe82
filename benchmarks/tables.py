"""What reading a table costs beside pandas: `python -m benchmarks.tables`.

200,000 rows of 20 columns, once of three decimals and once of all digits that a float64
has. Both readers take turns in one process; memory is that of processes of their own.
"""

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import funclearn as fl
from benchmarks._measure import Figure, median_ratio, seconds, show
from benchmarks._options import Options

SHAPE = (200_000, 20)
MIB = 2**20
NAMES = [f"column {at}" for at in range(SHAPE[1])]

# Linux counts the peak of a process that another one started from that one's on, but in
# this place.
MEMORY = """
import pathlib, re, sys
import pandas, funclearn as fl

def peak():
    told = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+)", told)[1])

read = {
    "ours": lambda path: fl.data.read_csv(path, target="column 0"),
    "theirs": pandas.read_csv,
}[sys.argv[2]]
small = pathlib.Path(sys.argv[1]).with_name("small.csv")
small.write_text("column 0,y\\n1,2\\n3,4\\n")
read(small)
before = peak()
kept = read(sys.argv[1])
print(1024 * (peak() - before))
"""


def write(path: Path, digits: str) -> None:
    """Writes the table."""
    values = np.random.default_rng(0).normal(size=SHAPE)
    header = ",".join(NAMES)
    np.savetxt(path, values, fmt=digits, delimiter=",", header=header, comments="")


def peak(path: Path, reader: str) -> float:
    """MiB that a process needs at most to read the table."""
    command = [sys.executable, "-c", MEMORY, str(path), reader]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(ran.stdout) / MIB


def beside_pandas(path: Path, name: str) -> list[Figure]:
    """Time and memory, as ratios."""
    pandas: Any = importlib.import_module("pandas")
    taken = seconds(
        {
            "ours": lambda: fl.data.read_csv(path, target=NAMES[0]).targets,
            "pandas": lambda: pandas.read_csv(path).to_numpy(),
        },
        turns=11,
    )
    memory = {reader: peak(path, reader) for reader in ("ours", "theirs")}
    return [
        Figure(
            f"{name}: time",
            median_ratio(taken, "ours", "pandas"),
            target=3.0,
            beside=f"pandas {pandas.__version__}, {np.median(taken['pandas']):.2f} s",
        ),
        Figure(
            f"{name}: peak memory",
            memory["ours"] / memory["theirs"],
            target=1.5,
            beside=f"pandas, {memory['theirs']:.0f} MiB",
        ),
    ]


def main() -> None:
    """Prints the figures."""
    Options(prog="python -m benchmarks.tables", description=__doc__).parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        for name, digits in {"three decimals": "%.3f", "all digits": "%.17g"}.items():
            write(path, digits)
            figures += beside_pandas(path, name)
    show(f"Reading {SHAPE[0]:,} x {SHAPE[1]}", figures)


if __name__ == "__main__":
    main()
