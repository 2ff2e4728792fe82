"""Its settings and its run; `chapter.py` is what to read."""

from experiments.pullover_or_dress.chapter import Config
from experiments.pullover_or_dress.page import run

__all__ = ["Config", "run"]
