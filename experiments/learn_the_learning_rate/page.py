"""The rate and the schedule that were learned, the readings, and the unstable runs."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

import funclearn as fl
from experiments.harness import Outcome, Plot, Table, style
from experiments.learn_the_learning_rate.chapter import (
    OTHERS_KNOWN,
    PARTS_OF_LIMIT,
    Config,
    Descent,
    Edge,
    Influence,
    Result,
    Schedule,
    study,
)

LOSS = "Loss (°C²)"

# A reading on the line moves it by next to nothing, and has no side to be on.
_CORRELATED = 0.9


def run(config: Config) -> Outcome:
    """Descends on the rate and on a schedule, weighs the readings, passes the limit."""
    result = study(config)
    readings = fl.data.thermometer()
    return Outcome(
        tables=(
            _descent_table(result.descent, result.limit),
            _influence_table(readings, result.influence),
            _edge_table(result.edge),
        ),
        plots={
            "rate": Plot(
                f"The loss on the known temperatures after {config.epochs} epochs, for "
                "every learning rate, and the steps of a descent on it. Each takes "
                "a derivative of the whole run.",
                partial(_draw_descent, result),
            ),
            "schedule": Plot(
                "Above, the learned learning rate of every epoch beside the largest "
                "stable one; below, the loss epoch by epoch, and that of the best "
                "single rate.",
                partial(_draw_schedule, result.schedule, result.limit),
                size=(5.2, 4.6),
                panels=(2, 1),
                layout={"sharex": True},
            ),
            "readings": Plot(
                "By how much the loss rises if a reading is left out, by the "
                "derivative by its weight where it counts in full, and where it counts "
                "half, and by training again.",
                partial(_draw_influence, readings, result.influence),
                size=(5.2, 4.4),
            ),
            "instability": Plot(
                "Above, the size of the derivative of the loss by the learning rate; "
                "below, by what a perturbation is multiplied in every step, measured "
                "along the run and by the curvatures.",
                partial(_draw_edge, result.edge),
                size=(5.2, 4.6),
                panels=(2, 1),
                layout={"sharex": True},
            ),
        },
        findings=tuple(_findings(config, result)),
    )


def _findings(config: Config, result: Result) -> Iterator[str]:
    rates, losses = result.descent
    yield (
        f"{len(rates) - 1} steps of descent took the learning rate from {rates[0]:.2g} "
        f"to {rates[-1]:.3g}, {rates[-1] / result.limit:.2f} of the largest stable "
        f"one, and the loss from {losses[0]:.3g} to {losses[-1]:.3g} °C². The lowest "
        f"of {config.rates} rates tried is {np.nanmin(result.losses):.3g} °C²."
    )
    schedule = result.schedule
    yield (
        f"Of {len(schedule.rates)} rates, one an epoch, the largest learned one is "
        f"{schedule.rates.max():.3g}, {schedule.rates.max() / result.limit:.3g} times "
        f"the largest stable one. The loss ends at {schedule.losses[-1]:.2g} °C²; with "
        f"the best single rate it ends at {schedule.constant_losses[-1]:.3g}."
    )
    if schedule.losses[-1] < result.influence.loss:
        yield (
            f"The line that training ends at has a loss of {result.influence.loss:.2g} "
            "°C²: the schedule has learned from the known temperatures, which can no "
            "longer judge it."
        )
    influence = result.influence
    for name, predicted in (
        ("", influence.predicted),
        (", where the reading counts half,", influence.halfway),
    ):
        right = np.count_nonzero(np.sign(predicted) == np.sign(influence.found))
        yield (
            f"The derivative by a reading's weight{name} has the sign that training "
            f"without the reading finds in {right} of {len(predicted)} cases; the "
            f"correlation of the two is {_correlation(predicted, influence):.3f}."
        )

    few, many = influence.agreeing.min(), influence.agreeing.max()
    yield (
        f"With other pairs of known temperatures, of {len(influence.agreeing)} between "
        f"{OTHERS_KNOWN[0]:g} and {OTHERS_KNOWN[-1]:g} °F, {few} to {many} of the "
        f"{len(influence.found)} signs agree: where leaving a reading out changes "
        "little, the first derivative does not tell in which direction."
    )


def _correlation(predicted: np.ndarray, influence: Influence) -> float:
    return float(np.corrcoef(predicted, influence.found)[0, 1])


def _descent_table(descent: Descent, limit: float) -> Table:
    rows = zip(*descent, strict=True)
    return Table(
        "The descent on the learning rate",
        ("Step", "Learning rate", "Part of the limit", LOSS),
        tuple((n, rate, rate / limit, loss) for n, (rate, loss) in enumerate(rows)),
    )


def _influence_table(readings: fl.Dataset, influence: Influence) -> Table:
    rows = zip(*readings[:2], *influence[:3], strict=True)
    return Table(
        f"What leaving a reading out does to the loss of {influence.loss:.3g} °C²",
        ("Reading", "°C", "By the derivative", "Counting half", "By training again"),
        tuple(tuple(float(f"{x:.6g}") for x in row) for row in rows),
    )


def _edge_table(edge: Edge) -> Table:
    rows = []
    for part, found in zip(PARTS_OF_LIMIT, edge.checked, strict=True):
        if found is None or found.growth is None or found.check is None:
            rows.append((part, np.nan, np.nan, np.nan, np.nan, "no number"))
            continue
        numbers = found.value, found["rate"], found.growth.rate
        error = found.check.errors.get("rate", np.nan)
        rows.append((part, *map(float, numbers), error, str(found.trust)))
    return Table(
        "The derivative by the learning rate, and what it says of itself",
        ("Part of the limit", LOSS, "Derivative", "Growth a step", "Error", "Trust"),
        tuple(rows),
    )


def _draw_descent(result: Result, axes: Axes) -> None:
    rates, losses = result.descent
    axes.plot(result.rates, result.losses, color=style.GREY, label="every rate")
    axes.plot(
        rates, losses, color=style.BLUE, marker="o", markersize=5, label="descent"
    )
    axes.axvline(result.limit, color=style.VERMILLION, linestyle=":", label="limit 2/λ")
    axes.annotate("start", (rates[0], losses[0]), (6, 6), textcoords="offset points")
    least = min(float(np.nanmin(result.losses)), float(losses[-1]))
    found = losses[-1] < 1.1 * least and rates[-1] < result.limit
    axes.set(
        title="Descent finds the best learning rate,\njust before the loss explodes"
        if found
        else "The loss by the learning rate,\nand a descent on it",
        xlabel="Learning rate",
        ylabel=LOSS,
        xscale="log",
        yscale="log",
        ylim=(least / 1.5, 3 * float(losses[0])),
    )
    axes.legend(loc="lower left")


def _draw_schedule(schedule: Schedule, limit: float, above: Axes, below: Axes) -> None:
    epochs = np.arange(1, len(schedule.rates) + 1)
    times = schedule.rates.max() / limit
    beats = schedule.losses[-1] < schedule.constant_losses[-1] / 10
    once = np.count_nonzero(schedule.rates > 10 * limit) == 1
    above.vlines(epochs, 1e-3, schedule.rates, color=style.BLUE, linewidth=1)
    above.plot(
        epochs, schedule.rates, color=style.BLUE, linestyle="", marker="o", markersize=5
    )
    above.axhline(limit, color=style.VERMILLION, linestyle=":", label="limit 2/λ")
    above.set(
        title=f"One learned step of {times:.0f} times the limit\ndoes what small ones "
        "cannot"
        if once and beats
        else "The learned rates, one an epoch,\nand what they lead to",
        ylabel="Learning rate",
        yscale="log",
    )
    above.legend()
    below.plot(schedule.losses, color=style.BLUE, label="learned schedule")
    below.plot(
        schedule.constant_losses,
        color=style.GREY,
        linestyle="--",
        label="best single rate",
    )
    below.set(xlabel="Epoch", ylabel=LOSS, yscale="log")
    below.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    below.legend()


def _draw_influence(readings: fl.Dataset, influence: Influence, axes: Axes) -> None:
    order = np.argsort(influence.found)
    places = np.arange(len(order))
    axes.barh(places, influence.found[order], color=style.GREY, alpha=0.45, height=0.7)
    for values, colour, marker, name in (
        (influence.predicted, style.BLUE, "o", "derivative"),
        (influence.halfway, style.VERMILLION, "D", "derivative, counting half"),
    ):
        axes.plot(
            values[order],
            places,
            color=colour,
            linestyle="",
            marker=marker,
            markersize=5,
            label=name,
        )
    axes.bar(0, 0, color=style.GREY, alpha=0.45, label="training again without it")
    axes.axvline(0, color=style.INK, linewidth=0.8, linestyle="-")
    names = [
        f"{reading:g} ({degrees:g} °C)".replace("-", "\N{MINUS SIGN}")
        for reading, degrees in zip(*map(np.asarray, readings[:2]), strict=True)
    ]
    agree = np.array_equal(np.sign(influence.predicted), np.sign(influence.found))
    axes.set(
        title="The derivative knows which readings help\n(right) and which hurt (left)"
        if agree and _correlation(influence.predicted, influence) > _CORRELATED
        else "What leaving a reading out does:\nderivative and training again",
        xlabel="By how much leaving it out raises the loss (°C²)",
        ylabel="Reading (unknown unit)",
        yticks=places,
        yticklabels=[names[place] for place in order],
    )
    axes.legend(loc="lower right")


def _draw_edge(edge: Edge, above: Axes, below: Axes) -> None:
    sizes = np.abs(edge.slopes)
    explodes = sizes[-1] > 1e6 * sizes[0] and edge.growths[-1] > 1 > edge.growths[0]
    above.plot(edge.parts, np.maximum(sizes, 1e-30), color=style.BLUE)
    above.set(
        title="Past the limit the derivative explodes,\nand the growth rate says why"
        if explodes
        else "The derivative around the limit,\nand the growth rate",
        ylabel="|Derivative|",
        yscale="log",
    )
    below.plot(edge.parts, edge.growths, color=style.BLUE, label="measured")
    below.plot(
        edge.parts,
        edge.expected,
        color=style.VERMILLION,
        linestyle="--",
        label="|1 - rate · λ|",
    )
    below.axhline(1, color=style.GREY, linestyle=":", linewidth=1)
    for axes in (above, below):
        axes.axvline(1, color=style.GREY, linestyle=":", linewidth=1)
    below.set(xlabel="Learning rate / limit", ylabel="Growth a step")
    below.legend(loc="upper left")
