"""Runs the experiment: `python -m experiments.computational_graph --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("computational_graph")
