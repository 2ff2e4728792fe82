"""Its settings and its run; `chapter.py` is what to read."""

from experiments.wide_net.chapter import Config
from experiments.wide_net.page import run

__all__ = ["Config", "run"]
