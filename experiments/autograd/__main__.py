"""Runs the experiment: `python -m experiments.autograd --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("autograd")
