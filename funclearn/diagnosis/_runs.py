"""What a verdict and an explanation read of a run."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._checks import check_direction
from funclearn._words import named_leaves
from funclearn.objectives import loss_entry
from funclearn.training import History, Run

__all__ = [
    "Curves",
    "all_finite",
    "curves_of",
    "default_history",
    "ends_finite",
    "first_not_finite",
    "was_stopped",
]

_PREFIX = "evaluation."


class Curves(NamedTuple):
    """The curves of a run that are judged.

    Attributes:
        training: `(epochs,)`, the training loss.
        judged: `(epochs,)`, what is looked at beside it, so that lower is better: a
            metric that should rise is taken from 1, or from 0 where it exceeds that
            or is never positive.
        name: what that is, for a sentence.
        top: what it was taken from; None for what should fall.
        comparable: whether it is the training loss on other rows.
        declared: whether the caller said which direction is the better one.
    """

    training: np.ndarray
    judged: np.ndarray | None = None
    name: str = "validation loss"
    top: float | None = None
    comparable: bool = True
    declared: bool = False

    def original(self, value: float) -> float:
        """A value of `judged` as the metric that it was."""
        return value if self.top is None else self.top - value


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


def curves_of(run: Run, on: str | None = None, direction: str = "min") -> Curves:
    """The training loss, and what is judged beside it.

    Args:
        run: a single run.
        on: as in `diagnose`.
        direction: likewise.

    Returns:
        The curves of the epochs that ran, in double precision.

    Raises:
        TypeError: if the history is not the default one.
        ValueError: if it is a mapped run, no epoch ran, or there is no such metric or
            direction.
    """
    check_direction("direction", direction)
    history = default_history(run)
    metric = _metric(history.evaluation, on)
    shapes = {np.shape(loss) for loss in (history.loss, metric) if loss is not None}
    if len(shapes) != 1 or len(*shapes) != 1:
        raise ValueError(
            f"run must have one loss an epoch; got {', '.join(map(str, shapes))}. One "
            "lane of a mapped run is jax.tree.map(lambda leaf: leaf[lane], run)."
        )
    # A running median needs comparisons that do not round to single precision again.
    training = np.asarray(history.loss, np.float64)[: int(run.epochs)]
    if not training.size:
        raise ValueError(f"run must have epochs; got {run.epochs}.")
    if metric is None:
        return Curves(training)
    judged = np.asarray(metric, np.float64)[: int(run.epochs)]
    name = (on or "validation").removeprefix(_PREFIX)
    loss = name in ("loss", "validation")
    found = Curves(
        training,
        judged,
        "metric" if loss else f"metric {name!r}",
        comparable=loss and direction == "min",
        declared=on is not None or isinstance(history.evaluation, dict),
    )
    if direction == "max":
        # What is never positive is a loss with its sign turned.
        largest = np.max(judged, initial=-np.inf, where=np.isfinite(judged))
        top = 1.0 if 0 < largest <= 1 else 0.0
        return found._replace(judged=top - judged, top=top, declared=True)
    return found._replace(name="validation loss") if loss else found


def _metric(evaluation: PyTree, on: str | None) -> PyTree:
    """The entry of an evaluation that is judged; None without one."""
    if on == "loss" or (on is None and evaluation is None):
        return None
    if on is None or on == "validation":
        name, found = "loss", loss_entry(evaluation)
    else:
        name = on.removeprefix(_PREFIX)
        found = named_leaves(evaluation).get(name)
    if found is None:
        names = evaluation if isinstance(evaluation, dict) else ()
        raise ValueError(
            f"run.history.evaluation must have the entry {name!r}, or on must name "
            f"another; got {', '.join(map(repr, names)) or 'none'}."
        )
    return found


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
