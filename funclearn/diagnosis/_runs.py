"""What a verdict and an explanation read of a run."""

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn.objectives import loss_entry
from funclearn.training import History, Run

__all__ = [
    "all_finite",
    "default_history",
    "ends_finite",
    "first_not_finite",
    "loss_curves",
    "was_stopped",
]


def default_history(run: Run) -> History:
    """The history of a run that `fit` made without `record`.

    Raises:
        TypeError: if it is another.
    """
    history = getattr(run, "history", None)
    if not isinstance(history, History):
        raise TypeError(
            "run must have the default history, as fit keeps it without record; got "
            f"{type(history).__name__}."
        )
    return history


def loss_curves(run: Run) -> list[np.ndarray]:
    """The training loss and, if there is one, the validation loss.

    Returns:
        One or two arrays `(epochs,)` in double precision, of the epochs that ran.

    Raises:
        TypeError: if the history is not the default one.
        ValueError: if it is a mapped run, no epoch ran, a loss is negative, or the
            metrics hold no `"loss"`.
    """
    history = default_history(run)
    evaluation = history.evaluation
    if isinstance(evaluation, dict) and "loss" not in evaluation:
        raise ValueError(
            "run.history.evaluation must have the entry 'loss'; got "
            f"{', '.join(map(repr, evaluation)) or 'none'}."
        )
    judged = loss_entry(evaluation)
    losses = [loss for loss in (history.loss, judged) if loss is not None]
    shapes = {np.shape(loss) for loss in losses}
    if len(shapes) != 1 or len(*shapes) != 1:
        raise ValueError(
            f"run must have one loss an epoch; got {', '.join(map(str, shapes))}. One "
            "lane of a mapped run is jax.tree.map(lambda leaf: leaf[lane], run)."
        )
    # A running median needs comparisons that do not round to single precision again.
    curves = [np.asarray(loss, np.float64)[: int(run.epochs)] for loss in losses]
    if not curves[0].size:
        raise ValueError(f"run must have epochs; got {run.epochs}.")
    lowest = min(np.nanmin(np.r_[curve, np.inf]) for curve in curves)
    if lowest < 0:
        raise ValueError(f"run must have losses that are not negative; got {lowest:g}.")
    return curves


def first_not_finite(curve: np.ndarray) -> int | None:
    """The first epoch, counted from 1, whose value is not finite; None without one."""
    finite = np.isfinite(curve)
    return None if finite.all() else int(np.argmin(finite)) + 1


def was_stopped(run: Run) -> bool:
    """Whether a rule stopped the run since it diverged."""
    return str(run.reason) == "diverged"


def ends_finite(run: Run) -> bool:
    """Whether the final parameters are finite."""
    return all_finite(getattr(run.state, "params", ()))


def all_finite(tree: PyTree) -> bool:
    """Whether all numbers of a pytree are finite."""
    return all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(tree))
