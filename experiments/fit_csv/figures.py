"""Figures of a fit: rows and model, residuals, confusion, losses."""

import textwrap
from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from experiments.fit_csv.found import Fit, Result, Side
from experiments.harness import Plot, style
from funclearn import plots

__all__ = ["LOSS_NAMES", "confusion", "drawn", "plots_of"]

LOSS_NAMES = {
    "mse": "mean squared error",
    "mae": "mean absolute error",
    "huber": "Huber loss",
}

# More points hide each other, and every one is written into the page.
MOST_POINTS = 2000

# Losses that differ by less are read off a linear scale.
WIDE = 10

# More classes have no room for their names.
MOST_CLASSES = 12


def plots_of(result: Result, loss: str) -> dict[str, Plot]:
    """The figures of the first fit, by the stems of their files."""
    fit, target, names = result.fits[0], result.target, result.inputs
    few = f" {_thinning(fit)}" if _thinning(fit) else ""
    losses = Plot(
        "Both losses before every epoch; the validation rows train nothing.",
        partial(_draw_losses, fit.sides, loss),
    )
    if fit.fitted.classes:
        confused = Plot(
            "How many validation rows of every class were taken for which; what is "
            "right stands on the diagonal.",
            partial(_draw_confusion, fit, target),
            size=(5.2, 4.4),
        )
        if len(fit.fitted.classes) > MOST_CLASSES:
            return {"losses": losses}
        return {"confusion": confused, "losses": losses}
    return {
        "fit": Plot(
            f"Rows of every part, and what the model makes of them.{few}",
            partial(_draw_fit, fit, names, target),
            size=(5.2, 4),
        ),
        "residuals": Plot(
            "What the model leaves unexplained, row by row; a good one leaves no "
            f"pattern.{few}",
            partial(_draw_residuals, fit.sides, target),
        ),
        "losses": losses,
    }


def drawn(n_rows: int) -> slice:
    """The rows to draw: all, or evenly chosen ones. Their order is random already."""
    return slice(None, None, -(-n_rows // MOST_POINTS) or 1)


def confusion(side: Side, classes: int) -> np.ndarray:
    """How many rows of every class, `(classes, classes)`, were taken for which."""
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (side.targets, side.predictions), 1)
    return counts


def _thinning(fit: Fit) -> str:
    sizes = {name: len(side.targets) for name, side in fit.sides.items()}
    told = [
        f"{len(range(n)[drawn(n)]):,} of {n:,} {name} rows"
        for name, n in sizes.items()
        if n > MOST_POINTS
    ]
    return f"Drawn are {' and '.join(told)}." if told else ""


def _thinned(side: Side) -> Side:
    rows = drawn(len(side.targets))
    return side._replace(
        inputs=side.inputs[rows],
        targets=side.targets[rows],
        predictions=side.predictions[rows],
    )


def _draw_fit(fit: Fit, names: tuple[str, ...], target: str, axes: Axes) -> None:
    for (name, whole), marker in zip(fit.sides.items(), "os^", strict=False):
        side = _thinned(whole)
        x, y = side.inputs[:, 0], side.targets
        if fit.curve is None:
            x, y = side.targets, side.predictions
        (points,) = axes.plot(x, y, marker, label=name, linestyle="none")
        points.set_markersize(_size(whole))
    if fit.curve is not None:
        axes.plot(*fit.curve, label="model", color=style.GREY, zorder=3)
        _label(axes, names[0], target)
    else:
        mean = float(fit.sides["training"].targets.mean())
        axes.axline((mean, mean), slope=1, color=style.GREY, label="exact", zorder=3)
        _label(axes, f"Measured {target}", f"Predicted {target}")
    r_squared = fit.sides["validation"].r_squared()
    axes.set_title(
        f"R² = {r_squared:.3f} on rows never trained on"
        if np.isfinite(r_squared)
        else "R² has no value: all validation targets are\nequal"
    )
    axes.legend()


def _size(side: Side) -> float:
    """Points are small where there are many."""
    return 2.0 if len(side.targets) > MOST_POINTS / 4 else 6.0


def _draw_residuals(sides: Mapping[str, Side], target: str, axes: Axes) -> None:
    for (name, whole), marker in zip(sides.items(), "os^", strict=False):
        side = _thinned(whole)
        points, _ = plots.residuals(axes, side.predictions, side.targets)
        points.set(label=name, marker=marker, markersize=_size(whole))
    _label(axes, f"Predicted {target}", f"Measured - predicted {target}")
    error = sides["validation"].error() ** 0.5
    axes.set_title(f"Validation rows are off by about {error:.3g}")
    # Residuals are all over the axes: the names have room above them.
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.15 * (high - low))
    axes.legend(loc="upper left", ncols=len(sides))


def _draw_losses(sides: Mapping[str, Side], loss: str, axes: Axes) -> None:
    for name in ("training", "validation"):
        losses = sides[name].losses
        epochs = np.arange(1, len(losses) + 1)[drawn(len(losses))]
        marker = "o" if len(losses) == 1 else None
        axes.plot(epochs, losses[epochs - 1], label=name, marker=marker)
    axes.set(xlabel="Epoch", ylabel=loss)
    shown = np.concatenate([sides["training"].losses, sides["validation"].losses])
    if shown.min() > 0 and shown.max() > WIDE * shown.min():
        axes.set_yscale("log")
    axes.legend()
    ends = (
        f"{sides[name].losses[-1]:.4g} in {name}" for name in ("training", "validation")
    )
    axes.set_title("Before the last epoch the loss is " + ",\n".join(ends))


def _draw_confusion(fit: Fit, target: str, axes: Axes) -> None:
    side, classes = fit.sides["validation"], fit.fitted.classes
    counts = confusion(side, len(classes))
    # Shares of every class's rows, so that rare classes are seen as well.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, vmin=0, vmax=1)
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            ink = "black" if shares[row, column] > 0.5 else "white"
            axes.text(column, row, str(count), ha="center", va="center", color=ink)
    shown = [textwrap.shorten(one, 18, placeholder="...") for one in classes]
    axes.set_xticks(range(len(classes)), shown, rotation=30, ha="right")
    axes.set_yticks(range(len(classes)), shown)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)
    axes.grid(visible=False)
    _label(axes, "Predicted class", f"{target}")
    axes.set_title(f"{side.accuracy():.1%} of the validation rows are right")


def _label(axes: Axes, x: str, y: str) -> None:
    # A file's own names are no formulas, whatever dollar signs they hold.
    axes.set_xlabel(textwrap.fill(x, 60), parse_math=False)
    axes.set_ylabel(textwrap.fill(y, 40), parse_math=False)
