"""Its settings and its run; `chapter.py` is what to read."""

from experiments.gradient_check.chapter import Config
from experiments.gradient_check.page import run

__all__ = ["Config", "run"]
