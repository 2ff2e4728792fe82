"""The losses by size, and those of the remedies: tables, figures and findings."""

from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from experiments.harness import Outcome, Plot, Table, style
from experiments.overfitting.chapter import Config, Losses, study

QUARTILES = (0.25, 0.5, 0.75)
LABELS = {"degree": "Degree of the polynomial", "width": "Hidden units of the network"}


def run(config: Config) -> Outcome:
    """Follows the recipe with polynomials and networks, and tries the remedies."""
    losses, chosen, remedies, floor = study(config)
    sizes = {"degree": config.degrees, "width": config.widths}
    unseen = {name: float(np.median(loss.unseen)) for name, loss in remedies.items()}
    least = "variance of the noise" if config.loss == "mse" else "loss of the noise"
    return Outcome(
        tables=(
            *(
                _sizes_table(label, sizes[name], losses[name])
                for name, label in LABELS.items()
            ),
            _remedies_table(remedies),
        ),
        plots={
            name: Plot(
                f"Median loss over {config.data_sets} data sets of {config.rows} rows, "
                "and the quartiles. The training loss reaches "
                f"{config.fit:g} at the first mark; to its left the loss on unseen "
                "rows falls as far as to the second.",
                partial(
                    _draw_sizes,
                    label,
                    sizes[name],
                    losses[name],
                    chosen[name],
                    config.fit,
                ),
            )
            for name, label in LABELS.items()
        }
        | {
            "remedies": Plot(
                f"Median losses of a network of {max(config.widths)} hidden units over "
                f"{config.data_sets} data sets, and the quartiles. The line is the "
                f"{least}, below which no model gets on unseen rows. "
                "The simpler model is the one that the recipe keeps.",
                partial(_draw_remedies, remedies, floor),
            )
        },
        findings=(
            *(
                f"The first {name} that fits, or the largest, is "
                f"{sizes[name][fits]}; the recipe keeps {sizes[name][kept]}."
                for name, (fits, kept) in chosen.items()
            ),
            f"On unseen rows the largest network has a median loss of "
            f"{unseen.pop('nothing'):.3f}; "
            + ", ".join(f"{loss:.3f} with {name}" for name, loss in unseen.items())
            + ".",
        ),
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


def _draw_sizes(
    label: str,
    sizes: tuple[int, ...],
    losses: Losses,
    chosen: tuple[int, int],
    fit: float,
    axes: Axes,
) -> None:
    for name, loss in zip(("training rows", "unseen rows"), losses, strict=True):
        low, middle, high = _quartiles(loss)
        (line,) = axes.plot(sizes, middle, marker="o", markersize=4, label=name)
        axes.fill_between(sizes, low, high, color=line.get_color(), alpha=0.15)
    axes.axhline(fit, color=style.GREY, linestyle=":", linewidth=1.2, label="it fits")
    unseen = np.median(losses.unseen, axis=1)
    for number, position in enumerate(chosen, start=1):
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
        title="Larger until it fits (1), then smaller\nuntil it stops overfitting (2)",
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
        title="Every remedy gives up training loss\nand wins on unseen rows",
        xlabel="What is done about overfitting",
        ylabel="Loss",
        ylim=(0, 1.3 * axes.get_ylim()[1]),
    )
    axes.legend()
