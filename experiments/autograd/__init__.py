"""Its settings and its run; `chapter.py` is what to read."""

from experiments.autograd.chapter import Config
from experiments.autograd.page import run

__all__ = ["Config", "run"]
