"""Runs the experiment: `python -m experiments.gradient_vectors --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("gradient_vectors")
