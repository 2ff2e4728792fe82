"""Data sets as pytrees: where they come from, and how they are split and scaled.

A data set is a pytree of arrays with one leading length, its rows. Everything that
draws takes its key first and gives the same rows for the same key.
"""

from typing import TYPE_CHECKING

from funclearn import _lazy
from funclearn.data._dataset import Dataset, as_dataset
from funclearn.data._padding import Padded, existing, for_batches, row_count
from funclearn.data._rows import take
from funclearn.data._samples import noisy_sine, thermometer
from funclearn.data._scaling import Scaler, standardise
from funclearn.data._splits import batches, folds, split

if TYPE_CHECKING:
    from funclearn.data._csv import read_csv
    from funclearn.data._encoding import Encoder, Feature, encode
    from funclearn.data._garments import garments
    from funclearn.data._idx import read_idx
    from funclearn.data._images import (
        FASHION_MNIST_CLASSES,
        digits,
        fashion_mnist,
        mnist,
    )
    from funclearn.data._table import Table, read_table

__all__ = [
    "FASHION_MNIST_CLASSES",
    "Dataset",
    "Encoder",
    "Feature",
    "Padded",
    "Scaler",
    "Table",
    "as_dataset",
    "batches",
    "digits",
    "encode",
    "existing",
    "fashion_mnist",
    "folds",
    "for_batches",
    "garments",
    "mnist",
    "noisy_sine",
    "read_csv",
    "read_idx",
    "read_table",
    "row_count",
    "split",
    "standardise",
    "take",
    "thermometer",
]

__getattr__, __dir__ = _lazy.attach(
    __name__,
    names={
        "FASHION_MNIST_CLASSES": "funclearn.data._images",
        "Encoder": "funclearn.data._encoding",
        "Feature": "funclearn.data._encoding",
        "Table": "funclearn.data._table",
        "digits": "funclearn.data._images",
        "encode": "funclearn.data._encoding",
        "fashion_mnist": "funclearn.data._images",
        "garments": "funclearn.data._garments",
        "mnist": "funclearn.data._images",
        "read_csv": "funclearn.data._csv",
        "read_idx": "funclearn.data._idx",
        "read_table": "funclearn.data._table",
    },
)
