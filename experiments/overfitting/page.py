"""The losses by size, and those of the remedies: tables, figures and findings."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from experiments.harness import Outcome, Plot, Table, style
from experiments.overfitting.between import GRID, Fitted, compare_degrees
from experiments.overfitting.chapter import UNSEEN_ROWS, Config, Losses, Result, study
from experiments.overfitting.explorables import choose_degree, draw_early, stop_early
from experiments.overfitting.ridge import fit_all
from experiments.overfitting.snapshots import look_at

QUARTILES = (0.25, 0.5, 0.75)
LABELS = {"degree": "Degree of the polynomial", "width": "Hidden units of the network"}


class Recipe(NamedTuple):
    """How the recipe went, in words.

    Attributes:
        sizes: of the family, in order.
        marks: the positions of the first size that fits, or the last, and of the one
            kept.
        title: of the figure.
        caption: the sentence about the marks.
        sentence: the finding, with a place for the family's name.
    """

    sizes: tuple[int, ...]
    marks: tuple[int, int]
    title: str
    caption: str
    sentence: str


def run(config: Config) -> Outcome:
    """Draws three polynomials, follows the recipe, and tries the remedies."""
    fitted = compare_degrees(config)
    free = max(fitted, key=lambda one: one.degree)
    snapshots = look_at(free)
    result = study(config)
    sizes = {"degree": config.degrees, "width": config.widths}
    recipes = {
        name: _recipe(sizes[name], losses, result.chosen[name], config.fit)
        for name, losses in result.sizes.items()
    }
    least = "variance of the noise" if config.loss == "mse" else "loss of the noise"
    return Outcome(
        tables=(
            *(
                _sizes_table(label, sizes[name], result.sizes[name])
                for name, label in LABELS.items()
            ),
            _remedies_table(result.remedies),
        ),
        plots={
            "between": Plot(
                f"Above, {config.rows} training rows, the sine that they were drawn "
                "from, and polynomials fitted to them; below, their losses on these "
                f"rows and on {UNSEEN_ROWS} unseen ones. Each title ends with what "
                "`diagnose` makes of the two curves below it.",
                partial(_draw_between, fitted),
                size=(2.6 * len(fitted), 4.6),
                panels=(2, len(fitted)),
                layout={"sharex": "row", "sharey": "row"},
            ),
            "early": draw_early(free, snapshots),
        }
        | {
            name: Plot(
                f"Median loss over {config.data_sets} data sets of {config.rows} rows, "
                f"and the quartiles. {recipes[name].caption}",
                partial(
                    _draw_sizes,
                    label,
                    sizes[name],
                    result.sizes[name],
                    recipes[name],
                    config.fit,
                ),
            )
            for name, label in LABELS.items()
        }
        | {
            "remedies": Plot(
                f"Median losses of a network of {max(config.widths)} hidden units over "
                f"{config.data_sets} data sets, and the quartiles. The line is the "
                f"{least}, below which no model gets on unseen rows on average. "
                "The simpler model is the one that the recipe keeps.",
                partial(_draw_remedies, result.remedies, result.floor),
            )
        },
        explorables={
            "choose_degree": choose_degree(fit_all(config)),
            "stop_early": stop_early(free, snapshots),
        },
        findings=tuple(_findings(config, fitted, result, recipes)),
    )


def _findings(
    config: Config,
    fitted: Sequence[Fitted],
    result: Result,
    recipes: Mapping[str, Recipe],
) -> Iterator[str]:
    for one in fitted:
        yield (
            f"Degree {one.degree} ends with {one.run.final.loss:.3g} on its rows and "
            f"{one.run.final.evaluation:.3g} on unseen ones; `diagnose`: "
            f"{one.verdict.kind}, {one.verdict.because}"
        )
    for name, recipe in recipes.items():
        yield recipe.sentence.format(name=name)
        yield _falls(name, result.sizes[name].training, recipe.sizes, config.epochs)
    unseen = {
        name: float(np.median(loss.unseen)) for name, loss in result.remedies.items()
    }
    yield (
        f"On unseen rows the largest network has a median loss of "
        f"{unseen.pop('nothing'):.3f}; "
        + ", ".join(f"{loss:.3f} with {name}" for name, loss in unseen.items())
        + "."
    )


def _falls(name: str, training: np.ndarray, sizes: tuple[int, ...], epochs: int) -> str:
    """Says how far the training loss falls, and whose fault it is where it rises."""
    losses = np.median(training, axis=1)
    least = int(np.argmin(losses))
    falls = f"The median training loss is least, {losses[least]:.3g}, at {name} "
    if least == len(sizes) - 1:
        return f"{falls}{sizes[least]}, the largest."
    return (
        f"{falls}{sizes[least]}, and {losses[-1]:.3g} at {sizes[-1]}: larger ones can "
        f"do as well, but {epochs} epochs of descent do not take them there."
    )


def _recipe(
    sizes: tuple[int, ...], losses: Losses, marks: tuple[int, int], fit: float
) -> Recipe:
    fits, kept = (sizes[mark] for mark in marks)
    if np.median(losses.training[marks[0]]) > fit:
        return Recipe(
            sizes,
            marks,
            f"No size fits: the training loss\nreaches {fit:g} nowhere",
            f"No training loss reaches {fit:g}, so the first mark is the largest size; "
            "to its left the loss on unseen rows falls as far as to the second.",
            f"No {{name}} fits, up to {fits}; from there the recipe goes down to "
            f"{kept}.",
        )
    title = "Larger until it fits (1), then smaller\nuntil it stops overfitting (2)"
    if kept == fits:
        title = "The first size that fits (1)\nis the one to keep (2)"
    return Recipe(
        sizes,
        marks,
        title,
        f"The training loss reaches {fit:g} at the first mark; to its left the loss on "
        "unseen rows falls as far as to the second.",
        f"The first {{name}} that fits is {fits}; the recipe keeps {kept}.",
    )


def _quartiles(loss: np.ndarray) -> np.ndarray:
    return np.quantile(loss, QUARTILES, axis=-1)


def _sizes_table(label: str, sizes: tuple[int, ...], losses: Losses) -> Table:
    medians = (np.median(loss, axis=1).tolist() for loss in losses)
    return Table(
        "Median losses by size",
        (label, "Training", "Unseen rows"),
        tuple(zip(sizes, *medians, strict=True)),
    )


def _remedies_table(remedies: Mapping[str, Losses]) -> Table:
    return Table(
        "The largest network, and four remedies: median losses, and quartiles",
        ("Remedy", "Training", "Unseen rows", "Lower quartile", "Upper quartile"),
        tuple(
            (name, float(np.median(loss.training)), middle, low, high)
            for name, loss in remedies.items()
            for low, middle, high in [_quartiles(loss.unseen).tolist()]
        ),
    )


def _draw_between(fitted: Sequence[Fitted], *axes: Axes) -> None:
    above, below = axes[: len(fitted)], axes[len(fitted) :]
    for one, curve, losses in zip(fitted, above, below, strict=True):
        inputs, targets = one.seen.inputs[:, 0], one.seen.targets[:, 0]
        curve.plot(inputs, targets, "o", color=style.INK, markersize=4, label="rows")
        curve.plot(GRID, np.sin(np.pi * GRID), ":", color=style.GREY, label="sine")
        curve.plot(GRID, one.curve, "-", color=style.VERMILLION, label="fit")
        curve.set(title=f"Degree {one.degree}:\n{one.verdict.kind}", xlabel="Input x")
        # A curve that swings far beyond the points may leave the panel.
        room = 0.6 * np.ptp(targets)
        curve.set_ylim(targets.min() - room, targets.max() + room)
        epochs = np.arange(1, len(one.run.history.loss) + 1)
        losses.plot(epochs, one.run.history.loss, label="training rows")
        losses.plot(epochs, one.run.history.evaluation, label="unseen rows")
        losses.set(xscale="log", yscale="log", xlabel="Epoch")
    above[0].set_ylabel("Target and prediction")
    below[0].set_ylabel("Loss")
    above[0].legend()
    below[0].legend()


def _draw_sizes(
    label: str,
    sizes: tuple[int, ...],
    losses: Losses,
    recipe: Recipe,
    fit: float,
    axes: Axes,
) -> None:
    for name, loss in zip(("training rows", "unseen rows"), losses, strict=True):
        low, middle, high = _quartiles(loss)
        (line,) = axes.plot(sizes, middle, marker="o", markersize=4, label=name)
        axes.fill_between(sizes, low, high, color=line.get_color(), alpha=0.15)
    axes.axhline(fit, color=style.GREY, linestyle=":", linewidth=1.2, label="it fits")
    unseen = np.median(losses.unseen, axis=1)
    for number, position in enumerate(recipe.marks, start=1):
        axes.annotate(
            str(number),
            (sizes[position], unseen[position]),
            (0, 18),
            textcoords="offset points",
            ha="center",
            fontweight="bold",
            arrowprops={"arrowstyle": "->", "color": style.INK},
        )
    axes.set(
        title=recipe.title,
        xlabel=label,
        ylabel="Loss",
        ylim=(0, 1.2 * np.quantile(losses.training[0], QUARTILES[-1])),
    )
    if max(sizes) > 2 * len(sizes):
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, map(str, sizes))
        axes.minorticks_off()
    axes.legend()


def _draw_remedies(remedies: Mapping[str, Losses], floor: float, axes: Axes) -> None:
    positions = np.arange(len(remedies))
    (training, unseen), *others = (
        [np.median(loss) for loss in losses] for losses in remedies.values()
    )
    sides = {"training rows": -0.12, "unseen rows": 0.12}
    for (name, offset), losses in zip(
        sides.items(), zip(*remedies.values(), strict=True), strict=True
    ):
        low, middle, high = _quartiles(np.stack(losses))
        axes.errorbar(
            positions + offset,
            middle,
            (middle - low, high - middle),
            fmt="o",
            capsize=3,
            label=name,
        )
    axes.axhline(floor, color=style.GREY, linestyle=":", label="noise alone")
    axes.set_xticks(positions, [name.replace(" ", "\n") for name in remedies])
    axes.set(
        title="Every remedy gives up training loss\nand wins on unseen rows"
        if all(other[0] > training and other[1] < unseen for other in others)
        else "The remedies on training rows\nand on unseen ones",
        xlabel="What is done about overfitting",
        ylabel="Loss",
        ylim=(0, 1.3 * axes.get_ylim()[1]),
    )
    axes.legend()
