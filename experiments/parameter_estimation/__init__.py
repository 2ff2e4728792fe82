"""Its settings and its run; `chapter.py` is what to read."""

from experiments.parameter_estimation.chapter import Config
from experiments.parameter_estimation.page import run

__all__ = ["Config", "run"]
