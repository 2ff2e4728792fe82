"""Its settings and its run; `chapter.py` is what to read."""

from experiments.broadcasting.chapter import Config
from experiments.broadcasting.page import run

__all__ = ["Config", "run"]
