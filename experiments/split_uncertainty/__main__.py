"""Runs the experiment: `python -m experiments.split_uncertainty --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("split_uncertainty")
