"""Its settings and its run; `chapter.py` is what to read."""

from experiments.learn_the_learning_rate.chapter import Config
from experiments.learn_the_learning_rate.page import run

__all__ = ["Config", "run"]
