"""Its settings and its run; `chapter.py` is what to read."""

from experiments.computational_graph.chapter import Config
from experiments.computational_graph.page import run

__all__ = ["Config", "run"]
