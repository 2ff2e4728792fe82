"""Runs the experiment: `python -m experiments.seven_steps --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("seven_steps")
