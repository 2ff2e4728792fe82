"""Its settings and its run; `chapter.py` is what to read."""

from experiments.split_uncertainty.chapter import Config
from experiments.split_uncertainty.page import run

__all__ = ["Config", "run"]
