"""Runs the experiment: `python -m experiments.pullover_or_dress --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("pullover_or_dress")
