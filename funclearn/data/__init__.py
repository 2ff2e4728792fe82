"""Data sets as pytrees: where they come from, and how they are split and scaled.

A data set is a pytree of arrays with one leading length, its rows. Everything that
draws takes its key first and gives the same rows for the same key.
"""

from typing import TYPE_CHECKING

from funclearn import _lazy
from funclearn.data._dataset import Dataset, as_dataset, take
from funclearn.data._samples import noisy_sine, thermometer
from funclearn.data._scaling import Scaler, standardise
from funclearn.data._splits import batches, folds, split

if TYPE_CHECKING:
    from funclearn.data._csv import read_csv
    from funclearn.data._encoding import Encoder, Feature, encode
    from funclearn.data._table import Table, read_table

__all__ = [
    "Dataset",
    "Encoder",
    "Feature",
    "Scaler",
    "Table",
    "as_dataset",
    "batches",
    "encode",
    "folds",
    "noisy_sine",
    "read_csv",
    "read_table",
    "split",
    "standardise",
    "take",
    "thermometer",
]

__getattr__, __dir__ = _lazy.attach(
    __name__,
    names={
        "Encoder": "funclearn.data._encoding",
        "Feature": "funclearn.data._encoding",
        "Table": "funclearn.data._table",
        "encode": "funclearn.data._encoding",
        "read_csv": "funclearn.data._csv",
        "read_table": "funclearn.data._table",
    },
)
