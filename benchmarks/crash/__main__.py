"""Prints what the crash test finds: `python -m benchmarks.crash [LOOP ...]`."""

import sys
from pathlib import Path

from benchmarks._options import Options, count, one_of
from benchmarks.crash._findings import LOOPS, finding

MEMORY = Path("/dev/shm")
"""A tmpfs, where flushes are not seen: what happens there is due to the kills."""


def main() -> None:
    """Tests the loops that the command line names."""
    parser = Options(prog="python -m benchmarks.crash", description=__doc__)
    parser.add_argument(
        "loops", nargs="*", type=one_of(LOOPS), metavar="LOOP", help=", ".join(LOOPS)
    )
    parser.add_argument("--kills", type=count, default=6, help="after so many writes")
    arguments = parser.parse_args()
    for name in arguments.loops or LOOPS:
        print(f"{name}: {finding(name, arguments.kills)}", flush=True)
        if MEMORY.is_dir():
            found = finding(name, arguments.kills, str(MEMORY))
            print(f"{name}, killed only: {found}", flush=True)


sys.exit(main())
