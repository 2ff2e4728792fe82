"""Counts wrong answers: `python -m benchmarks.hostile [SECTION ...] [--seed N]`."""

import importlib
import sys

from benchmarks._options import Options, one_of, seed, share
from benchmarks.hostile._outcome import count

# Section by section, as many cases as take some minutes together on two cores.
CASES = {
    "stopping": 1000,
    "gradients": 1500,
    "programs": 300,
    "curves": 1500,
    "divergence": 200,
    "dtypes": 1000,
    "tables": 500,
}


def main() -> int:
    """Runs the sections that the command line names; returns the exit status."""
    parser = Options(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument(
        "sections",
        nargs="*",
        type=one_of(CASES),
        metavar="SECTION",
        help=", ".join(CASES),
    )
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument("--scale", type=share, default=1.0, help="share of the cases")
    arguments = parser.parse_args()
    wrong = 0
    for section in arguments.sections or CASES:
        cases = importlib.import_module(f"benchmarks.hostile.{section}").cases
        n = max(1, int(CASES[section] * arguments.scale))
        wrong += count(section, cases(arguments.seed, n))
    return min(wrong, 1)


sys.exit(main())
