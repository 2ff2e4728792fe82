"""Runs the experiment: `python -m experiments.wide_net --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("wide_net")
