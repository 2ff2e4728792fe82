"""Its settings and its run; `chapter.py` is what to read."""

from experiments.validation.chapter import Config
from experiments.validation.page import run

__all__ = ["Config", "run"]
