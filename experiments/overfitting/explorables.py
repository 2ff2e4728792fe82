"""What a reader changes: the polynomial's degree, and the epoch at which to stop."""

from functools import partial

import numpy as np
from matplotlib.axes import Axes

import funclearn as fl
from experiments.harness import Explorable, Plot, Quantised, style
from experiments.overfitting.between import GRID, Fitted
from experiments.overfitting.families import design
from experiments.overfitting.ridge import DEGREES, PENALTIES, ROWS, STRIDES, Fits
from experiments.overfitting.snapshots import PATIENCES, Snapshots

__all__ = ["choose_degree", "draw_early", "stop_early"]


def choose_degree(fits: Fits) -> Explorable:
    """The degree, the penalty and the number of points as sliders."""
    return Explorable(
        caption="With the degree the training loss falls on; the validation loss "
        "turns. Drag the degree up. Then try a penalty, or more training points. The "
        "losses are mean squared errors without the penalty.",
        script="polynomials",
        data={
            "degrees": DEGREES,
            "penalties": PENALTIES,
            "rows": ROWS,
            "strides": STRIDES,
            "seen": _points(fits.seen),
            "unseen": _points(fits.unseen),
            "coefficients": Quantised(fits.coefficients),
            "training": fits.training,
            "validation": fits.validation,
        },
        still="between",
    )


def stop_early(fitted: Fitted, snapshots: Snapshots) -> Explorable:
    """The epoch as a slider, over a run of the largest polynomial."""
    return Explorable(
        caption="The longer the run, the lower the training loss; the validation loss "
        "turns. Drag the epoch back to where it is lowest. A run with patience stops "
        "after so many epochs without a new lowest validation loss. The polynomial is "
        f"of degree {fitted.degree}.",
        script="polynomials",
        data={
            "degree": fitted.degree,
            "seen": _points(fitted.seen),
            "unseen": _points(fitted.unseen),
            "epochs": snapshots.epochs,
            "coefficients": Quantised(snapshots.coefficients),
            "training": snapshots.training,
            "validation": snapshots.validation,
            "patiences": PATIENCES,
            "stops": snapshots.stops,
        },
        still="early",
    )


def draw_early(fitted: Fitted, snapshots: Snapshots) -> Plot:
    """The figure of two of the epochs, the best one and the last one."""
    return Plot(
        f"Left, the losses of a polynomial of degree {fitted.degree}; the line marks "
        "the epoch with the lowest validation loss. Right, what it has learnt by then, "
        "and in the end.",
        partial(_draw_early, fitted, snapshots),
        size=(7.8, 3.4),
        panels=(1, 2),
    )


def _draw_early(
    fitted: Fitted, snapshots: Snapshots, losses: Axes, curves: Axes
) -> None:
    best = int(np.nanargmin(snapshots.validation))
    for name in ("training", "validation"):
        losses.plot(snapshots.epochs, getattr(snapshots, name), label=name)
    losses.axvline(snapshots.epochs[best], color=style.GREY, linestyle=":")
    turns = best < len(snapshots.epochs) - 1
    losses.set(
        title="Stop where the validation\nloss turns"
        if turns
        else "The validation loss\nfalls to the end",
        xlabel="Epoch",
        ylabel="Loss",
        xscale="log",
        yscale="log",
    )
    inputs, targets = (column[:, 0] for column in fitted.seen[:2])
    curves.plot(inputs, targets, "o", color=style.INK, markersize=4)
    for row in (best, -1):
        fit = design(GRID[:, 0], fitted.degree) @ snapshots.coefficients[row]
        curves.plot(GRID[:, 0], fit, label=f"epoch {snapshots.epochs[row]}")
    room = 0.6 * np.ptp(targets)
    curves.set(
        title="What has been learnt\nby then",
        xlabel="Input x",
        ylabel="Target and prediction",
        ylim=(targets.min() - room, targets.max() + room),
    )
    losses.legend()
    curves.legend()


def _points(rows: fl.Dataset) -> dict[str, np.ndarray]:
    inputs, targets = (np.asarray(column, np.float32)[:, 0] for column in rows[:2])
    return {"inputs": inputs, "targets": targets}
