"""Runs the experiment: `python -m experiments.parameter_estimation --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("parameter_estimation")
