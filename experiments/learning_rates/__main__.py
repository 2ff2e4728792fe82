"""Runs the experiment: `python -m experiments.learning_rates --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("learning_rates")
