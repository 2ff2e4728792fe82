"""What the experiments have in common: running them, their reports and their page."""

from experiments.harness._experiment import Outcome, Picture, Plot, Table
from experiments.harness._launch import launch

__all__ = ["Outcome", "Picture", "Plot", "Table", "launch"]
