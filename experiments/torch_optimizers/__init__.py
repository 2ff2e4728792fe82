"""Its settings and its run; `chapter.py` is what to read."""

from experiments.torch_optimizers.chapter import Config
from experiments.torch_optimizers.page import run

__all__ = ["Config", "run"]
