"""Runs the experiment: `python -m experiments.broadcasting --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("broadcasting")
