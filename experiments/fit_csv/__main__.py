"""Runs the experiment: `python -m experiments.fit_csv --help` says how."""

from experiments.harness import launch

if __name__ == "__main__":
    launch("fit_csv")
