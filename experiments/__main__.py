"""Runs the experiments: `python -m experiments --help` says how."""

import sys

from experiments.harness._interrupts import until_interrupted
from experiments.harness._streams import write_what_fits


def main() -> int:
    """Runs the command line, which is imported here: JAX takes a while to load."""
    from experiments.harness import _suite

    return _suite.main(sys.argv[1:])


if __name__ == "__main__":
    write_what_fits()
    raise SystemExit(until_interrupted(main))
