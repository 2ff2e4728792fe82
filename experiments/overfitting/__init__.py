"""Its settings and its run; `chapter.py` is what to read."""

from experiments.overfitting.chapter import Config
from experiments.overfitting.page import run

__all__ = ["Config", "run"]
