"""What a fit found."""

from typing import NamedTuple

import numpy as np

from experiments.fit_csv.determined import Determined
from experiments.fit_csv.model_file import Fitted, Predictions

__all__ = ["Fit", "Line", "Result", "Side"]


class Line(NamedTuple):
    """Weights `(columns,)` and bias in the units of the file."""

    weight: np.ndarray
    bias: float


class Side(NamedTuple):
    """The rows of one part, in the units of the file.

    Attributes:
        inputs: `(rows, columns)`.
        targets: `(rows,)`; numbers of classes in classification.
        predictions: `(rows,)`, by the trained model.
        losses: `(epochs,)`, the loss that is minimised, before every epoch; empty for
            the test part.
    """

    inputs: np.ndarray
    targets: np.ndarray
    predictions: np.ndarray
    losses: np.ndarray

    def error(self) -> float:
        """The mean squared error of the trained model."""
        return float(np.mean((self.targets - self.predictions) ** 2))

    def r_squared(self) -> float:
        """R², the part of the targets' variance that the model explains."""
        if np.ptp(self.targets) == 0:
            return np.nan
        return 1 - self.error() / float(np.var(self.targets))

    def accuracy(self) -> float:
        """The share of rows whose class is predicted."""
        return float(np.mean(self.targets == self.predictions))


class Fit(NamedTuple):
    """What one split and its training found.

    Attributes:
        sides: "training", "validation" and, if there is one, "test".
        fitted: the model.
        determined: what the rows determine of a linear model.
        line: its parameters, in the units of the file.
        curve: inputs and predictions, if there is one column of inputs.
    """

    sides: dict[str, Side]
    fitted: Fitted
    determined: Determined | None
    line: Line | None
    curve: tuple[np.ndarray, np.ndarray] | None


class Result(NamedTuple):
    """Fits of splits, the first the one to show, and what the columns are called."""

    fits: tuple[Fit, ...]
    target: str
    inputs: tuple[str, ...]
    predictions: Predictions | None
