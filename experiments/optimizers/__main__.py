"""Runs the experiment: `python -m experiments.optimizers --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("optimizers")
