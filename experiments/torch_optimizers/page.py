"""Where every optimizer goes, in small panels, and how far that is from PyTorch."""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes

from experiments.harness import Outcome, Plot, Table, number
from experiments.harness.style import BLUE, INK, PURPLE, VERMILLION
from experiments.torch_optimizers.chapter import (
    LANDSCAPES,
    Config,
    Result,
    study,
)
from experiments.torch_optimizers.rates import OPTIMIZERS, Name, Problem
from funclearn import plots

# A path has arrived that stays within this part of the way from start to minimum.
CLOSE = 0.05
# A path has blown up that was so many times as far from the minimum as its start.
AWAY = 100
# A path bounces that turns by so many half circles in all ...
HALF_TURNS = 5
# ... as far as one sees it: points nearer than this part of the panel are left out.
VISIBLE = 0.01
# Paths no further apart than so many roundings of 1 are called the same.
STEADY = 1e4
KINDS = {
    "arrives": BLUE,
    "bounces": VERMILLION,
    "crawls": PURPLE,
    "blows up": VERMILLION,
}
COLUMNS = 4


class Look(NamedTuple):
    """How a problem is spoken of and drawn.

    Attributes:
        name: in a sentence.
        axes: the names of the two numbers.
        units: of both, as on the axes.
        window: what of the plane the panels show.
    """

    name: str
    axes: tuple[str, str]
    units: tuple[str, str]
    window: tuple[tuple[float, float], tuple[float, float]]


LOOKS: dict[Problem, Look] = {
    "thermometer": Look(
        "the thermometer",
        ("w", "b"),
        ("w (°C a unit)", "b (°C)"),
        ((-1.0, 8.0), (-21.0, 4.0)),
    ),
    "valley": Look(
        "the curved valley", ("x", "y"), ("x", "y"), ((-1.8, 1.8), (-1.0, 3.0))
    ),
}


class Verdict(NamedTuple):
    """What a path does.

    Attributes:
        kind: one of KINDS.
        covered: the part of the straight way from start to minimum; NaN if it blew up.
        arrival: the step from which on it is close to the minimum; None if it is not.
    """

    kind: str
    covered: float
    arrival: int | None

    def __str__(self) -> str:
        """The verdict in a few words."""
        if self.arrival is not None:
            return f"{self.kind} at {self.arrival}"
        if math.isnan(self.covered):
            return self.kind
        covered = "farther off" if self.covered < 0 else f"{self.covered:.0%}"
        return f"{self.kind}, {covered}"


Verdicts = Mapping[Problem, Mapping[Name, Verdict]]


def judge(path: np.ndarray, best: np.ndarray, look: Look) -> Verdict:
    """Says whether a path `(steps + 1, 2)` arrives at the best, bounces or crawls."""
    left = np.hypot(*(path - best).T)
    left = left / left[0]
    if not (left < AWAY).all():
        return Verdict("blows up", math.nan, None)
    arrival = int(np.nonzero(left > CLOSE)[0][-1]) + 1
    covered = float(1 - left[-1])
    if arrival < len(path):
        return Verdict("arrives", covered, arrival)
    bounces = half_turns(path / np.ptp(look.window, axis=1)) >= HALF_TURNS
    return Verdict("bounces" if bounces else "crawls", covered, None)


def half_turns(path: np.ndarray) -> float:
    """By how many half circles a path turns, of points that are VISIBLE apart."""
    seen = [path[0]]
    for point in path:
        if math.dist(point, seen[-1]) > VISIBLE:
            seen.append(point)
    directions = np.diff(seen, axis=0) @ [1, 1j]
    return float(np.abs(np.angle(directions[1:] / directions[:-1])).sum() / np.pi)


def run(config: Config) -> Outcome:
    """Follows the optimizers over both losses, and measures how far PyTorch's are."""
    result = study(config)
    verdicts: Verdicts = {
        problem: {
            name: judge(path.astype(float), result.best[problem], LOOKS[problem])
            for name, path in paths.items()
        }
        for problem, paths in result.paths.items()
    }
    rows = math.ceil(len(config.optimizers) / COLUMNS)
    return Outcome(
        tables=tuple(_table(config, result, verdicts, problem) for problem in LOOKS),
        plots={
            f"{problem}_paths": Plot(
                _caption(config, problem),
                partial(_draw, config, result, verdicts, problem),
                size=(7.4, 0.9 + 1.8 * rows),
                panels=(rows, COLUMNS),
                layout={"sharex": True, "sharey": True},
            )
            for problem in LOOKS
        },
        history={
            f"{problem} {name} {axis}": column[1:]
            for problem, paths in result.paths.items()
            for name, path in paths.items()
            for axis, column in zip(LOOKS[problem].axes, path.T, strict=True)
        },
        findings=tuple(_findings(config, result, verdicts)),
    )


def _caption(config: Config, problem: Problem) -> str:
    loss = {
        "thermometer": "The loss of the thermometer's scaled readings",
        "valley": "Rosenbrock's function",
    }
    return (
        f"{loss[problem]} as lines of equal loss, and {config.steps} steps of every "
        "optimizer, its learning rate below its name: from the ring to the dot; the "
        "cross is the minimum. Blue paths arrive, at the step that is named; the "
        "others have covered so much of the way, in a straight line. Of those the "
        f"vermillion ones bounce: their turns add up to {HALF_TURNS} half circles or "
        "more. Purple ones crawl."
    )


def _table(
    config: Config, result: Result, verdicts: Verdicts, problem: Problem
) -> Table:
    columns = ["Optimizer", "Family", "Rate", "Path"]
    for dtype in result.distances:
        columns += [f"In {dtype}", "PyTorch itself"]
    rows = []
    for name, verdict in verdicts[problem].items():
        row = [
            name,
            OPTIMIZERS[name].family,
            _rate(config, problem, name),
            f"{verdict}",
        ]
        for dtype, distances in result.distances.items():
            own = result.torch[dtype][problem][name].itself
            row += [_short(distances[problem][name]), _short(own)]
        rows.append(tuple(row))
    return Table(
        f"On {LOOKS[problem].name}: the largest distance from PyTorch's path, and that "
        "of PyTorch from itself when its start is one rounding error away",
        tuple(columns),
        tuple(rows),
    )


def _rate(config: Config, problem: Problem, name: Name) -> float:
    return config.rate_factor * OPTIMIZERS[name].rates[problem]


def _short(distance: float) -> float:
    return float(f"{distance:.1e}")


def _findings(config: Config, result: Result, verdicts: Verdicts) -> Iterator[str]:
    for problem, found in verdicts.items():
        arrivals = {name: one.arrival for name, one in found.items() if one.arrival}
        words = f"On {LOOKS[problem].name} {_counts(found)}"
        if arrivals:
            first = min(arrivals, key=arrivals.__getitem__)
            words += f"; {first} is there first, at step {arrivals[first]}"
        yield f"{words}."
    if config.rate_factor != 1:
        yield (
            "PyTorch's paths were recorded with the learning rates as they are, so the "
            "distances are those of different runs."
        )
        return
    for dtype in result.distances:
        yield _beside_torch(result, dtype)


def _counts(verdicts: Mapping[Name, Verdict]) -> str:
    kinds = [verdict.kind for verdict in verdicts.values()]
    counts = {kind: kinds.count(kind) for kind in KINDS if kind in kinds}
    plurals = {"blows up": "blow up"}
    return ", ".join(
        f"{count} {kind if count == 1 else plurals.get(kind, kind[:-1])}"
        for kind, count in counts.items()
    )


def _beside_torch(result: Result, dtype: str) -> str:
    steady = STEADY * float(np.finfo(dtype).eps)
    near, far, own = [], dict[Name, float](), []
    for problem, distances in result.distances[dtype].items():
        for name, distance in distances.items():
            if distance <= steady:
                near.append(distance)
            else:
                far[name] = max(distance, far.get(name, 0.0))
                own.append(result.torch[dtype][problem][name].itself)
    words = (
        f"In {dtype} {len(near)} of {len(near) + len(own)} paths agree with PyTorch's"
    )
    if near:
        words += f" to {number(max(near), 2)}"
    if far:
        words += (
            f". Those of {', '.join(far)} differ by up to "
            f"{number(max(far.values()), 2)}; a rounding error at the start "
            f"moves PyTorch's own path there by up to {number(max(own), 2)}"
        )
    return f"{words}."


def _draw(
    config: Config,
    result: Result,
    verdicts: Verdicts,
    problem: Problem,
    *panels: Axes,
) -> None:
    best, look = result.best[problem], LOOKS[problem]
    loss, start = LANDSCAPES[problem]
    used = len(config.optimizers)

    def loss_at(x: jax.Array, y: jax.Array) -> jax.Array:
        return loss(jnp.stack([x, y]), result.readings)

    ends = np.stack([best, start], dtype=np.float32)
    least, first = jax.jit(jax.vmap(loss_at))(*ends.T).tolist()
    # Rosenbrock's minimum is 0, which has no logarithm.
    levels = np.geomspace(max(least, 0.05 * first), 20 * first, 7)[1:]
    for axes, (name, path) in zip(panels, result.paths[problem].items(), strict=False):
        verdict = verdicts[problem][name]
        colour = KINDS[verdict.kind]
        plots.contours(axes, loss_at, *look.window, levels=levels, points=71)
        axes.plot(*path.T, color=colour, linestyle="-", linewidth=1.5)
        axes.plot(*start, "o", color=INK, fillstyle="none", markersize=5)
        axes.plot(*best, "+", color=INK, markersize=10)
        axes.plot(*path[-1], "o", color=colour, markersize=4)
        axes.set_title(f"{name}\n", fontsize=10)
        below = f"{_rate(config, problem, name):g}: {verdict}"
        axes.text(0, 1.04, below, transform=axes.transAxes, fontsize=10)
        axes.set(xlabel=look.units[0], ylabel=look.units[1])
        axes.label_outer()
    for axes in panels[max(0, used - COLUMNS) : used]:  # nothing is below them
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(look.units[0])
    for axes in panels[used:]:
        axes.remove()
    counts = _counts(verdicts[problem])
    panels[0].figure.suptitle(f"{look.name[4:].capitalize()}: {counts}")
