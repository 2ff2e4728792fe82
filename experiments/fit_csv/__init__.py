"""Its settings and its run; `chapter.py` is what to read."""

from experiments.fit_csv.chapter import Config
from experiments.fit_csv.page import run

__all__ = ["Config", "run"]
