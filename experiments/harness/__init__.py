"""What the experiments have in common: running them, their reports and their page."""

from experiments.harness._experiment import Outcome, Picture, Plot, Table
from experiments.harness._launch import launch
from experiments.harness._resuming import Resumable
from experiments.harness._settings import (
    Count,
    Counts,
    Devices,
    Fraction,
    Momentum,
    NotNegative,
    Positive,
    Positives,
    Range,
    Seed,
    Settings,
)

__all__ = [
    "Count",
    "Counts",
    "Devices",
    "Fraction",
    "Momentum",
    "NotNegative",
    "Outcome",
    "Picture",
    "Plot",
    "Positive",
    "Positives",
    "Range",
    "Resumable",
    "Seed",
    "Settings",
    "Table",
    "launch",
]
