"""What the experiments have in common: running them, their reports and their page."""

from experiments.harness._experiment import (
    Explorable,
    Outcome,
    Picture,
    Plot,
    Table,
)
from experiments.harness._launch import launch
from experiments.harness._packing import Quantised
from experiments.harness._plain import number
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
    "Explorable",
    "Fraction",
    "Momentum",
    "NotNegative",
    "Outcome",
    "Picture",
    "Plot",
    "Positive",
    "Positives",
    "Quantised",
    "Range",
    "Resumable",
    "Seed",
    "Settings",
    "Table",
    "launch",
    "number",
]
