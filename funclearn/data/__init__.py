"""Data sets as pytrees: where they come from, and how they are split and scaled.

A data set is a pytree of arrays with one leading length, its rows. Everything that
draws takes its key first and gives the same rows for the same key.
"""

from typing import TYPE_CHECKING

from funclearn import _lazy
from funclearn.data._dataset import Dataset, take
from funclearn.data._samples import noisy_sine, thermometer
from funclearn.data._scaling import Scaler, standardise
from funclearn.data._splits import batches, folds, split

if TYPE_CHECKING:
    from funclearn.data._csv import read_csv

__all__ = [
    "Dataset",
    "Scaler",
    "batches",
    "folds",
    "noisy_sine",
    "read_csv",
    "split",
    "standardise",
    "take",
    "thermometer",
]

__getattr__, __dir__ = _lazy.attach(__name__, names={"read_csv": "funclearn.data._csv"})
