"""Counts what faults do: `python -m benchmarks.faults [KIND ...] [--scale 0.01]`."""

import sys
from collections.abc import Callable

from benchmarks._options import Options, one_of, seed, share
from benchmarks.faults import folders, full, fuzz, kills, loops, processes, soak
from benchmarks.faults._line import Line, show

KILLS, DAMAGES, INPUTS, DISKS, KILLS_OF_LOOPS = 1000, 5000, 100_000, 200, 6
KILLS_OF_PROCESSES = 50
"""How many there are at a scale of 1."""


def main() -> int:
    """Tries the kinds that the command line names; 1 if anything was lost."""
    parser = Options(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--scale", type=share, default=1.0, help="share of the counts")
    parser.add_argument("--seed", type=seed, default=0, help="of all that is random")

    def at_least(least: int, number: int) -> int:
        return max(least, round(asked.scale * number))

    kinds: dict[str, Callable[[], list[Line]]] = {
        "kills": lambda: kills.lines(at_least(4, KILLS), asked.seed),
        "processes": lambda: processes.lines(
            at_least(4, KILLS_OF_PROCESSES), asked.seed
        ),
        "damages": lambda: folders.lines(at_least(60, DAMAGES), asked.seed),
        "fuzz": lambda: fuzz.lines(at_least(100, INPUTS), asked.seed),
        "full": lambda: full.lines(at_least(8, DISKS)),
        "soak": lambda: soak.lines(asked.scale),
        "loops": lambda: loops.lines(at_least(2, KILLS_OF_LOOPS)),
    }
    parser.add_argument(
        "kinds", nargs="*", type=one_of(kinds), metavar="KIND", help=", ".join(kinds)
    )
    parser.add_argument("--processes", action="store_true", help="the kind processes")
    asked = parser.parse_args()
    found: list[Line] = []
    try:
        for name in (asked.kinds + asked.processes * ["processes"]) or kinds:
            found += kinds[name]()
            print(f"{name}: {sum(line.wrong for line in found)} wrong", file=sys.stderr)
    finally:
        show(found)  # of an interrupted run what was counted until then
    return 1 if any(line.wrong for line in found) else 0


if __name__ == "__main__":
    sys.exit(main())
