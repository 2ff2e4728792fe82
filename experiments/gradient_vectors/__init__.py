"""Its settings and its run; `chapter.py` is what to read."""

from experiments.gradient_vectors.chapter import Config
from experiments.gradient_vectors.page import run

__all__ = ["Config", "run"]
