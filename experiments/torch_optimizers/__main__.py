"""Runs the experiment: `python -m experiments.torch_optimizers --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("torch_optimizers")
