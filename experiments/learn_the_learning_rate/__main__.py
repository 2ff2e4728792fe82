"""Runs it: `python -m experiments.learn_the_learning_rate --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("learn_the_learning_rate")
