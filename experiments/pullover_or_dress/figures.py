"""The figures: images, weights and gradients as pictures, and what is got right."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

import funclearn as fl
from experiments.harness import number, style
from experiments.pullover_or_dress.chapter import Learnt, Result
from experiments.pullover_or_dress.classes import Classes, reliability

__all__ = [
    "draw_accuracy",
    "draw_calibration",
    "draw_confidence",
    "draw_confusion",
    "draw_gradients",
    "draw_mistakes",
    "draw_pixels",
    "draw_seeds",
    "draw_weights",
]

NAMES, PLURALS = ("pullover", "dress"), ("pullovers", "dresses")


def _show(axes: Axes, image: Any, label: str = "", **scale: Any) -> None:
    """Draws 784 numbers as an image, brightness from 0 to 1 unless told otherwise."""
    scale = {"cmap": "gray", "vmin": 0, "vmax": 1} | scale
    axes.imshow(np.reshape(image, (28, 28)), interpolation="nearest", **scale)
    _plain(axes, label)


def _show_signed(axes: Axes, values: Any, most: float, label: str = "") -> None:
    _show(axes, values, label, cmap="PuOr_r", vmin=-most, vmax=most)


def _plain(axes: Axes, label: str = "") -> None:
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(label)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def draw_pixels(
    result: Result, naive: tuple[float, float, float], *panels: Axes
) -> None:
    """The mean images and whom they mislead; the weights and what they get right."""
    above, below = panels[:4], panels[4:]
    for axes, mean, name in zip(above, result.naive.means, NAMES, strict=False):
        _show(axes, mean, f"the mean {name}")
    learnt = result.learnt["library's linear"]
    weights, bias = learnt.shown
    called = result.naive.dresses("mean absolute difference")
    saved = result.test.inputs @ weights + bias <= 0
    missed = np.flatnonzero(called & saved & (result.test.targets == 0))
    apart = result.naive.distances["mean absolute difference"][missed]
    # The clearest of its mistakes first.
    order = missed[np.argsort(apart[:, 1] - apart[:, 0])]
    for axes, row in zip(above[2:], order, strict=False):
        _show(axes, result.test.inputs[row], "a pullover,\ntaken for a dress")
    for axes in above[2 + len(order) :]:
        _plain(axes)
    above[0].set_ylabel("Naive way")
    above[0].set_title(
        "Pixel by pixel, these pullovers\nare nearer to the mean dress"
        if len(order) > 1
        else "The mean images, which\nthe naive way compares with"
    )
    _show_signed(below[0], weights, np.abs(weights).max(), "the weights learnt")
    below[0].set_ylabel("Learned way")
    # What every pixel of a misjudged image adds to the sum.
    for axes, row in zip(below[1:3], order, strict=False):
        parts = weights * result.test.inputs[row]
        total = parts.sum() + bias
        answer = NAMES[int(total > 0)]
        _show_signed(axes, parts, np.abs(weights).max() / 2, f"it adds up:\n{answer}")
    for axes in below[1 + min(len(order), 2) : 3]:
        _plain(axes)
    median = float(np.median(learnt.accuracies[:, -1]))
    bars = below[3].bar((0, 1), (naive[0], median), color=(style.GREY, style.BLUE))
    below[3].bar_label(bars, fmt="{:.1%}")
    below[3].set_xticks((0, 1), ("pixels", "learnt"))
    below[3].set(ylim=(0.5, 1.08), yticks=(0.5, 1), ylabel="Accuracy")
    below[3].grid(False)
    below[0].set_title(
        f"What is learnt gets {median:.1%} right,\nnot {naive[0]:.1%}"
        if median > naive[0]
        else "The weights so far"
    )


def draw_accuracy(learnt: Mapping[str, Learnt], naive: float, *panels: Axes) -> None:
    """Accuracy by epoch, a line a seed."""
    for axes, (name, runs) in zip(panels, learnt.items(), strict=True):
        epochs = np.arange(runs.accuracies.shape[1])
        axes.plot(
            epochs, runs.accuracies.T, "-", color=style.SKY, linewidth=0.6, alpha=0.4
        )
        middle = np.median(runs.accuracies, axis=0)
        axes.plot(epochs, middle, "-", color=style.BLUE, linewidth=2.4)
        axes.axhline(naive, color=style.GREY, linestyle=":")
        overtakes = np.flatnonzero(middle > naive)
        axes.set(xlabel="Epoch", ylim=(0.4, 1.0))
        axes.set_title(
            f"{name}:\nahead from epoch {overtakes[0]}"
            if len(overtakes)
            else f"{name}:\nnot ahead of pixels"
        )
    panels[0].set_ylabel("Accuracy")


def draw_seeds(
    learnt: Mapping[str, Learnt],
    naive: float,
    published: Mapping[str, float],
    axes: Axes,
) -> None:
    """The last accuracies, a dot a seed."""
    for row, runs in enumerate(learnt.values()):
        last = runs.accuracies[:, -1]
        spread = np.linspace(-0.22, 0.22, len(last))
        axes.plot(last, row + spread, "o", color=style.BLUE, markersize=3, alpha=0.6)
    for row, value in enumerate(published.values()):
        axes.plot(
            value, row, "D", color=style.VERMILLION, markersize=8, fillstyle="none"
        )
    axes.axvline(naive, color=style.GREY, linestyle=":")
    axes.set_yticks(range(len(learnt)), learnt)
    axes.invert_yaxis()
    lasts = [runs.accuracies[:, -1] for runs in learnt.values()]
    stuck = sum(int(np.sum(last < 0.6)) for last in lasts)
    title = "The accuracies of all runs"
    if all((last[last >= 0.6] > naive).all() for last in lasts):
        title = "Every run is ahead of the pixels"
        if stuck:
            title = f"{stuck} runs still guess;\nall others are ahead of the pixels"
    axes.set(xlabel="Accuracy after the last epoch", ylabel="Model", title=title)


def draw_weights(result: Result, *panels: Axes) -> None:
    """The weights of the linear models as images."""
    drawn = result.steps.params.weight
    learnt, library = (
        result.learnt[name].shown.weight for name in ("linear", "library's linear")
    )
    most = float(np.abs(learnt).max())
    _show_signed(panels[0], drawn, most, "linear: as drawn")
    _show_signed(panels[1], learnt, most, "linear: learnt")
    _show_signed(panels[2], library, np.abs(library).max(), "library's linear: learnt")
    kept = np.corrcoef(drawn, learnt)[0, 1]
    panels[0].set_title(
        "Large random weights hide what is learnt,\nsmall ones show it"
        if kept > 0.5
        else "The weights as drawn,\nand what is learnt"
    )
    panels[0].set_ylabel("Rows of pixels")


def draw_gradients(result: Result, *panels: Axes) -> None:
    """Images, and what the gradient of the loss of each is made of."""
    rows = result.steps.shown
    above, below = panels[:4], panels[4:]
    params, gradients = result.steps.params, result.steps.gradients
    most = float(np.abs(gradients).max()) or 1.0
    for row, gradient, top, bottom in zip(rows, gradients, above, below, strict=False):
        image = result.test.inputs[row]
        p = _sigmoid(float(image @ params.weight + params.bias))
        name = NAMES[int(result.test.targets[row])]
        _show(top, image, f"{name}: p = {p:.2g}")
        _show_signed(bottom, gradient, most, f"p (1 - p) = {p * (1 - p):.2g}")
    for axes in (*above[len(rows) :], *below[len(rows) :]):
        _plain(axes)
    above[0].set_title("An image moves the weights\nof its own pixels,")
    below[0].set_title("the more, the less sure\nthe model is of it")
    above[0].set_ylabel("Image")
    below[0].set_ylabel("Gradient")


def _sigmoid(outputs: float | np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -np.asarray(outputs, float)))


def draw_confidence(outputs: np.ndarray, targets: Any, axes: Axes) -> None:
    """How many images get which probability."""
    probability = _sigmoid(outputs)
    bins = np.linspace(0, 1, 21).tolist()
    for one, colour, hatch in ((0, style.PURPLE, ""), (1, style.VERMILLION, "//")):
        axes.hist(
            probability[targets == one],
            bins,
            color=colour,
            alpha=0.6,
            hatch=hatch,
            label=PLURALS[one],
        )
    ends = np.mean((probability < 0.05) | (probability > 0.95))
    wrong = (outputs > 0) != (targets == 1)
    sure = np.mean(np.maximum(probability, 1 - probability)[wrong] > 0.95)
    axes.set(
        yscale="log",
        xlabel="Probability of a dress",
        ylabel="Test images",
        title=f"{ends:.0%} of the answers are nearly certain,\n"
        + (f"{sure:.0%} of the wrong ones too" if wrong.any() else "and none is wrong"),
    )
    axes.legend(loc="upper center")


def draw_mistakes(outputs: np.ndarray, judged: fl.Dataset, *panels: Axes) -> None:
    """The wrong answers of which the model is most sure."""
    count = len(panels) // 2
    for target, sign, row in ((0, -1, panels[:count]), (1, 1, panels[count:])):
        wrong = np.flatnonzero((judged.targets == target) & (sign * outputs < 0))
        worst = wrong[np.argsort(sign * outputs[wrong])][:count]
        for axes, one in zip(row, worst, strict=False):
            _show(
                axes,
                judged.inputs[one],
                f"p = {number(float(_sigmoid(outputs[one])), 2)}",
            )
        for axes in row[len(worst) :]:
            _plain(axes)
        called = f"{len(wrong)} {PLURALS[target]} are called {PLURALS[1 - target]}"
        if not len(wrong):
            called = f"No {NAMES[target]} is called a {NAMES[1 - target]}"
        elif len(wrong) == 1:
            called = f"One {NAMES[target]} is called a {NAMES[1 - target]}"
        row[0].set_title(called)
        row[0].set_ylabel(f"a {NAMES[target]}")
        row[0].set_xlabel(row[0].get_xlabel() or " ")


def draw_confusion(confusion: np.ndarray, axes: Axes) -> None:
    """Percent of every class that are called what."""
    axes.imshow(confusion, cmap="cividis", vmin=0, vmax=1)
    names = fl.data.FASHION_MNIST_CLASSES
    for row, column in np.ndindex(*confusion.shape):
        share = 100 * confusion[row, column]
        if share >= 0.5:
            colour = "black" if share > 55 else "white"
            axes.text(
                *(column, row, f"{share:.0f}"),
                **{"ha": "center", "va": "center", "color": colour, "fontsize": 10},
            )
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.grid(False)
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    worst = wrong.sum(axis=1).argmax()
    axes.set(
        xlabel="What it is called",
        ylabel="What it is",
        title=f"{names[worst]} is the hardest class:\n"
        f"{confusion[worst, worst]:.0%} are right",
    )


def draw_calibration(classes: Classes, axes: Axes) -> None:
    """Confidence against accuracy."""
    axes.plot((0, 1), (0, 1), "-", color=style.GREY, linewidth=1)
    errors = {}
    for marker, (name, probabilities) in zip(
        "os^", classes.probabilities.items(), strict=True
    ):
        found = reliability(probabilities, classes.labels)
        errors[name] = found.error
        # A handful of answers says nothing about how many of its kind are right.
        enough = found.share * probabilities[..., 0].size >= 20
        axes.plot(
            found.confidence[enough], found.accuracy[enough], marker=marker, label=name
        )
    worst = max(errors, key=lambda name: errors[name])
    axes.set(
        xlabel="Confidence: the largest probability",
        ylabel="Accuracy",
        title=f"The confidence of {worst}\nis off by {errors[worst]:.3f} on average",
    )
    axes.legend(loc="upper left")
