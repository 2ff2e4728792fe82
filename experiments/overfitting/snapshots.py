"""A run that overfits, looked at in some of its epochs, and where patience stops it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.overfitting.between import Fitted

__all__ = ["PATIENCES", "Snapshots", "look_at", "patience"]

PATIENCES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
N_SNAPSHOTS = 80


class Snapshots(NamedTuple):
    """What a run was like in some of its epochs, counted from 1.

    Attributes:
        epochs: `(snapshots,)`, which ones.
        coefficients: `(snapshots, degree + 1)`, those that the epoch began with.
        training: `(snapshots,)`, their loss on the training rows.
        validation: likewise, on the validation rows.
        stops: `(patiences, 2)`, for each of `PATIENCES` the snapshots of the epoch that
            is the last one, and of the best epoch until then.
    """

    epochs: np.ndarray
    coefficients: np.ndarray
    training: np.ndarray
    validation: np.ndarray
    stops: np.ndarray


def look_at(fitted: Fitted) -> Snapshots:
    """Chooses epochs, evenly on a logarithmic scale, the best one and the last ones."""
    training, validation = fitted.run.history
    n_epochs = len(validation)
    even = np.geomspace(1, n_epochs, min(N_SNAPSHOTS, n_epochs)).round().astype(int)
    stops = np.array([patience(validation, epochs) for epochs in PATIENCES])
    epochs = np.union1d(even, [*stops.flat, 1 + np.nanargmin(validation)])
    rows = epochs - 1
    return Snapshots(
        epochs,
        fitted.path[rows],
        training[rows],
        validation[rows],
        np.searchsorted(epochs, stops),
    )


def patience(losses: Sequence[float] | np.ndarray, epochs: int) -> tuple[int, int]:
    """Where `fl.stopping.patience(epochs)` stops, and the best epoch until then.

    Args:
        losses: what it watches, one a epoch.
        epochs: how many in a row may pass without a new lowest loss.

    Returns:
        Two epochs, counted from 1; the first is the last of all if it does not stop.
    """
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        elif epoch - best == epochs:
            return epoch + 1, best + 1
    return len(losses), best + 1
