"""Reusable drawing, given data and axes.

Every function takes matplotlib axes first, draws on them alone and returns what it
drew. Colours and line styles come from the axes' own cycle, grey ink from their edge;
figures, titles and files are the caller's, and pyplot need not be imported:

    >>> from matplotlib.figure import Figure
    >>> figure = Figure()
    >>> [line] = fl.plots.learning_curves(figure.subplots(), {"training": [3, 2, 1]})

As the last line of a notebook's cell `figure` is a picture once the notebook has had
`%matplotlib inline`, and text before.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType

from funclearn.data import Dataset

__all__ = [
    "contours",
    "distributions",
    "fit",
    "learning_curves",
    "paths",
    "residuals",
]

Levels: TypeAlias = int | Sequence[float] | np.ndarray
"""How many, or their values in increasing order."""


def learning_curves(axes: Axes, losses: Mapping[str, ArrayLike]) -> list[Line2D]:
    """Draws losses against the epoch, counted from 1, on a logarithmic scale.

    Args:
        axes: where to draw.
        losses: label -> `(epochs,)`; values that are not finite are left out.

    Returns:
        One line a loss.
    """
    lines = []
    for label, loss in losses.items():
        values = np.asarray(loss)
        lines += axes.plot(np.arange(1, len(values) + 1), values, label=label)
    axes.set(xlabel="Epoch", ylabel="Loss", yscale="log")
    axes.legend()
    return lines


def fit(
    axes: Axes, dataset: Dataset, predictors: Mapping[str, Callable[[Array], ArrayLike]]
) -> list[Line2D]:
    """Draws a data set of one input as points, and predictions of it as lines.

    Args:
        axes: where to draw.
        dataset: inputs and targets, `(n,)` or `(n, 1)`.
        predictors: label -> function of inputs, in the shape of the data set's.

    Returns:
        The points, then one line a predictor.

    Raises:
        ValueError: if the inputs have several columns.
    """
    inputs = np.asarray(dataset.inputs)
    if inputs.ndim == 0 or inputs.size != len(inputs):
        raise ValueError(f"dataset must have one input a row; got {inputs.shape}.")
    lines = axes.plot(
        inputs.ravel(), np.ravel(dataset.targets), linestyle="none", marker="o"
    )
    grid = np.linspace(inputs.min(), inputs.max(), 201, dtype=inputs.dtype)
    column = jnp.asarray(grid.reshape(-1, *inputs.shape[1:]))
    for label, predict in predictors.items():
        lines += axes.plot(grid, np.ravel(predict(column)), label=label)
    axes.legend()
    return lines


def residuals(axes: Axes, predictions: ArrayLike, targets: ArrayLike) -> list[Line2D]:
    """Draws what a model leaves unexplained, target - prediction, row by row.

    Args:
        axes: where to draw.
        predictions: any shape.
        targets: the same shape.

    Returns:
        The points, and the line of no error.

    Raises:
        ValueError: if the shapes differ.
    """
    if np.shape(predictions) != np.shape(targets):
        raise ValueError(
            "predictions and targets must have one shape; got "
            f"{np.shape(predictions)} and {np.shape(targets)}."
        )
    x = np.ravel(predictions)
    lines = axes.plot(x, np.ravel(targets) - x, linestyle="none", marker="o")
    zero = axes.axhline(0.0, color=_ink(axes), linewidth=0.8)
    axes.set(xlabel="Prediction", ylabel="Target - prediction")
    return [*lines, zero]


def distributions(
    axes: Axes, samples: Mapping[str, ArrayLike], *, bins: Levels = 50
) -> list[Line2D]:
    """Draws how samples are distributed, as the outlines of histograms.

    Args:
        axes: where to draw.
        samples: label -> values of any shape, the losses of many splits for instance;
            those that are not finite, or in no bin, only count towards the total.
        bins: how many bins between the extremes, or their edges in increasing order.

    Returns:
        One line a sample, with the share of it that each bin holds.

    Raises:
        ValueError: if there are no samples, or one is empty.
    """
    # Bins between nearly equal float32 values have edges that float32 cannot tell.
    values = {
        label: np.ravel(np.asarray(sample, np.float64))
        for label, sample in samples.items()
    }
    if not values:
        raise ValueError("samples must hold at least one sample; got none.")
    for label, sample in values.items():
        if not sample.size:
            raise ValueError(f"samples[{label!r}] must hold values; got none.")
    finite = [sample[np.isfinite(sample)] for sample in values.values()]
    edges = np.histogram_bin_edges(np.concatenate(finite), bins)
    lines = []
    for (label, sample), within in zip(values.items(), finite, strict=True):
        shares = np.histogram(within, edges)[0] / len(sample)
        heights = np.concatenate([[0.0], np.repeat(shares, 2), [0.0]])
        lines += axes.plot(np.repeat(edges, 2), heights, label=label)
    axes.set(xlabel="Value", ylabel="Share", ylim=(0, None))
    axes.legend()
    return lines


def contours(
    axes: Axes,
    function: Callable[[Array, Array], ArrayLike],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    *,
    levels: Levels = 12,
    points: int = 101,
) -> ContourSet:
    """Draws the level lines of a function of two numbers, and fixes the axes' limits.

    Args:
        axes: where to draw.
        function: `(x, y) -> scalar`, traceable by JAX.
        x_range: first and last x.
        y_range: first and last y.
        levels: how many levels, or their values in increasing order.
        points: points of the grid along either axis.
    """
    x, y = np.linspace(*x_range, points), np.linspace(*y_range, points)
    over_grid = jax.jit(jax.vmap(jax.vmap(function, (0, None)), (None, 0)))
    axes.set(xlim=x_range, ylim=y_range)
    return axes.contour(
        *(x, y, over_grid(x, y)),
        levels=levels,
        colors=[_ink(axes)],
        alpha=0.4,
        linewidths=0.6,
    )


def paths(axes: Axes, points: Mapping[str, ArrayLike]) -> list[Line2D]:
    """Draws paths in the plane, each with a dot at its end.

    Args:
        axes: where to draw, on top of `contours`, say.
        points: label -> `(steps, 2)`, what an optimizer went through.

    Returns:
        One line a path.
    """
    lines = []
    for label, path in points.items():
        x, y = np.asarray(path).T
        lines += axes.plot(x, y, label=label, marker="o", markevery=[len(x) - 1])
    axes.legend()
    return lines


def _ink(axes: Axes) -> ColorType:
    return axes.spines["left"].get_edgecolor()
