"""Its settings and its run; `chapter.py` is what to read."""

from experiments.seven_steps.chapter import Config
from experiments.seven_steps.page import run

__all__ = ["Config", "run"]
