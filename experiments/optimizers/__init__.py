"""Its settings and its run; `chapter.py` is what to read."""

from experiments.optimizers.chapter import Config
from experiments.optimizers.page import run

__all__ = ["Config", "run"]
