"""Its settings and its run; `chapter.py` is what to read."""

from experiments.learning_rates.chapter import Config
from experiments.learning_rates.page import run

__all__ = ["Config", "run"]
