"""The limits predicted and found, what every rate leads to, and the finder."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from experiments._data import label, power
from experiments.harness import Outcome, Plot, Table, number
from experiments.learning_rates.chapter import (
    PARTS_OF_LIMIT,
    Config,
    Edge,
    Result,
    study,
)
from experiments.learning_rates.thermometer import make_explorable
from funclearn import plots
from funclearn.diagnosis import Stability

PUBLISHED_RATES = (1e-2, 1e-4)


class Look(NamedTuple):
    """What the axis of losses is called, and its range in either kind of figure."""

    loss: str
    range_of_rates: tuple[float, float]
    range_of_courses: tuple[float, float]


def run(config: Config) -> Outcome:
    """Predicts the limits, tries 1,000 rates on three scales, and looks for one."""
    result = study(config)
    limits = result.limits
    finder = {
        name: float(result.ramp[np.nanargmin(loss)])
        for name, loss in result.found.items()
    }
    past = all(finder[name] > limit for name, limit in limits.items())
    look = _look(config, result)
    return Outcome(
        tables=(
            _curvatures_table(result.curvatures, limits, finder),
            _edges_table(result.edges),
        ),
        plots={
            "rates": Plot(
                f"The loss after {config.epochs} epochs of plain descent with "
                f"{config.rates} learning rates. The vertical lines are the predicted "
                "limits.",
                partial(
                    _draw_rates,
                    result.rates,
                    result.losses,
                    limits,
                    "Too small stalls, too large blows up,\nand 2/λ tells where"
                    if _tells(result)
                    else "The loss of every rate,\nand the limits that 2/λ predicts",
                    look,
                ),
            ),
            "courses": Plot(
                f"Four runs on the raw readings, with parts of the predicted limit as "
                f"learning rates. {_stuck(config, result.curvatures['raw'])}",
                partial(_draw_courses, result.courses, look),
            ),
            "finder": Plot(
                f"The losses of runs that raise the learning rate at each of "
                f"{config.epochs} steps. The vertical lines are the predicted limits.",
                partial(
                    _draw_rates,
                    result.ramp,
                    result.found,
                    limits,
                    "A finder raises the rate until the loss\nexplodes, and by then is "
                    "past the limit"
                    if past
                    else "The loss as a finder raises the rate,\nand the limits",
                    look,
                ),
            ),
        },
        explorables={
            "thermometer": make_explorable(
                result.readings,
                result.scalers,
                result.curvatures,
                (config.lowest, config.highest),
                "courses",
            )
        },
        findings=tuple(_findings(config, result, finder["raw"])),
    )


def _tells(result: Result) -> bool:
    """Says whether the rates show both ends, and each end where it was predicted."""
    return all(
        edge.right and edge.stable > 0 and np.isfinite(edge.unstable)
        for (_, method), edge in result.edges.items()
        if method == "plain"
    )


def _stuck(config: Config, curvatures: Stability) -> str:
    condition = float(curvatures.condition)
    bends = f"the loss bends {number(condition, 3)} times less than in its"
    # What is left of the error there at the limit, after all epochs.
    if (1 - min(2 / condition, 1)) ** config.epochs < 1 / 2:
        return f"In its flattest direction {bends} steepest."
    return (
        f"Even the best gets stuck: in its flattest direction {bends} steepest, and "
        "there every stable rate is too small."
    )


def _look(config: Config, result: Result) -> Look:
    loss = label("Loss", power(result.readings.unit, 2))
    if config.csv is None:
        return Look(loss, (1, 1e6), (10, 1e5))
    start = float(result.courses[0, 0])
    least = min(float(np.nanmin(losses)) for losses in result.losses.values())
    return Look(loss, (least / 2, 1e3 * start), (least / 2, 1e2 * start))


def _findings(config: Config, result: Result, finder: float) -> Iterator[str]:
    raw, divided, _ = result.limits.items()
    limit = raw[1]
    if config.csv is None:
        for rate in PUBLISHED_RATES:
            yield (
                f"On the raw readings the limit is {limit:.3g}: the published rate "
                f"{rate:g} {'must explode' if rate > limit else 'is stable'}."
            )
    else:
        yield f"On the raw readings the limit is {limit:.3g}."
    yield f"With the readings {divided[0]} it is {divided[1]:.3g}."
    right = sum(edge.right for edge in result.edges.values())
    yield (
        f"In {right} of {len(result.edges)} cases the predicted limit lies between the "
        "last rate tried that is stable and the first that is not."
    )
    yield (
        f"The finder's loss on the raw readings is lowest at the rate {finder:.2g}, "
        f"{finder / limit:.1f} times the limit. The parameters that it started from "
        f"{'have' if result.untouched else 'do not have'} the same bits afterwards."
    )


def _curvatures_table(
    curvatures: Mapping[str, Stability],
    limits: Mapping[str, float],
    finder: Mapping[str, float],
) -> Table:
    rows = (
        (
            readings,
            float(found.largest),
            float(found.smallest),
            float(found.condition),
            limits[readings],
            finder[readings],
        )
        for readings, found in curvatures.items()
    )
    return Table(
        "How the loss bends, and the learning rates that follow",
        (
            "Readings",
            "Largest curvature",
            "Smallest",
            "Condition number",
            "Limit 2/λ",
            "Finder",
        ),
        tuple(rows),
    )


def _edges_table(edges: Mapping[tuple[str, str], Edge]) -> Table:
    return Table(
        "The largest stable learning rate",
        ("Readings", "Descent", "Predicted", "Last stable", "First unstable"),
        tuple((*case, *edge) for case, edge in edges.items()),
    )


def _draw_rates(
    rates: np.ndarray,
    losses: Mapping[str, np.ndarray],
    limits: Mapping[str, float],
    title: str,
    look: Look,
    axes: Axes,
) -> None:
    for readings, loss in losses.items():
        (line,) = axes.plot(rates, loss, label=readings)
        axes.axvline(
            limits[readings], color=line.get_color(), linestyle=":", linewidth=1.2
        )
    axes.set(
        title=title,
        xlabel="Learning rate",
        ylabel=look.loss,
        xscale="log",
        yscale="log",
        ylim=look.range_of_rates,
    )
    axes.legend(title="Readings", loc="upper left")


def _draw_courses(courses: np.ndarray, look: Look, axes: Axes) -> None:
    named = zip(PARTS_OF_LIMIT, courses, strict=True)
    curves = {f"{part:g} of the limit": loss for part, loss in named}
    plots.learning_curves(axes, curves)
    tiny, *_, above = courses
    axes.set(
        title="A hair above the limit the loss explodes;\nfar below it hardly falls"
        if tiny[-1] > tiny[0] / 2 and not above[-1] <= above[0]
        else "The loss by parts of the limit",
        ylabel=look.loss,
        ylim=look.range_of_courses,
    )
