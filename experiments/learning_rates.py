"""Descends with 1,000 learning rates at once, and predicts which of them blow up.

Too small a learning rate stalls, too large a one blows up, and what lies between is
less than one would wish. The upper end is known before the first step: where the loss
bends with curvature λ, descent is stable up to the rate 2/λ. On the raw readings λ is
large, since they are far from zero; scaling the inputs makes it small.

A learning-rate finder looks for the same limit without curvatures: it raises the rate
at every step of one short run, until the loss explodes. Elsewhere that run has to be
undone afterwards. Here a run is a function: it returns losses, and the state that it
was given is as it was.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

import funclearn as fl
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch
from experiments._thermometer import check_epochs, initial_params, objective
from funclearn import plots
from funclearn.diagnosis import Stability, stability
from funclearn.models import LinearParams
from funclearn.sweeps import sweep

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Reading notes on the book",
    "Foundations for machine learning",
)
PUBLISHED_RATES = (1e-2, 1e-4)
PARTS_OF_LIMIT = (0.001, 0.03, 0.9, 1.05)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    rates: int = 1000
    """Number of learning rates, evenly spaced on a logarithmic scale."""
    lowest: float = 1e-6
    """Lowest learning rate."""
    highest: float = 10.0
    """Highest learning rate."""
    epochs: int = 100
    """Number of epochs of every run, and of steps of the finder."""
    input_scale: float = 10.0
    """What the readings are divided by to scale them."""
    momentum: float = 0.9
    """Momentum of the runs that have one."""


class Method(NamedTuple):
    """Gradient descent, plain or with momentum."""

    momentum: float = 0.0
    nesterov: bool = False


class Edge(NamedTuple):
    """Where a method becomes unstable: predicted, and between two rates tried."""

    predicted: float
    stable: float
    unstable: float


def descend(
    readings: fl.Dataset,
    method: Method,
    rate: optax.ScalarOrSchedule,
    params: LinearParams,
    epochs: int,
) -> jax.Array:
    """The losses `(epochs,)` of one run."""
    optimizer = optax.sgd(rate, method.momentum, method.nesterov)
    state = fl.init_state(jax.random.key(0), params, optimizer)
    step = fl.make_train_step(objective, optimizer)
    return fl.fit(step, state, readings, epochs=epochs).history.loss


def try_rates(
    datasets: Iterable[fl.Dataset],
    methods: Iterable[Method],
    rates: np.ndarray,
    epochs: int,
) -> np.ndarray:
    """The losses `(datasets, methods, rates, epochs)` of all runs, in one sweep."""
    start = initial_params()

    def run(readings: fl.Dataset, method: Method, rate: jax.Array) -> jax.Array:
        return descend(readings, method, rate, start, epochs)

    stacked = jax.tree.map(lambda *columns: jnp.stack(columns), *datasets)
    grid = {"readings": stacked, "method": list(methods), "rate": jnp.asarray(rates)}
    return np.asarray(sweep(run, grid, static_argnames=["method"]).result)


@jax.jit
def find(state: fl.TrainState, readings: fl.Dataset, rates: jax.Array) -> jax.Array:
    """The losses `(rates,)` of a run from `state` with another rate at every step."""
    return descend(
        readings, Method(), lambda count: rates[count], state.params, len(rates)
    )


@jax.jit
def measure(readings: fl.Dataset) -> Stability:
    """How the loss bends at the start."""
    return stability(objective, initial_params(), readings)


def find_edge(
    rates: np.ndarray, losses: np.ndarray, curvatures: Stability, method: Method
) -> Edge:
    """Predicts the largest stable rate, and looks which losses end up higher."""
    predicted = float(curvatures.limit(method.momentum, nesterov=method.nesterov))
    (stable,) = np.nonzero(losses[:, -1] <= losses[:, 0])
    # Below the first rate descent is taken as stable, above the last as unstable.
    bounds = np.concatenate([[0.0], rates, [np.inf]])
    last = stable[-1] + 1 if stable.size else 0
    return Edge(predicted, float(bounds[last]), float(bounds[last + 1]))


def run(config: Config) -> Outcome:
    """Predicts the limits, tries 1,000 rates on three scales, and looks for one.

    Raises:
        ValueError: if there are no rates, or no epochs.
    """
    _check(config)
    raw = fl.data.thermometer()
    divided = f"divided by {config.input_scale:g}"
    datasets = {
        "raw": raw,
        divided: fl.data.Scaler(input_scale=config.input_scale)(raw),
        "standardised": fl.data.standardise(raw)[0],
    }
    methods = {
        "plain": Method(),
        "momentum": Method(config.momentum),
        "Nesterov's momentum": Method(config.momentum, nesterov=True),
    }
    rates, ramp = (
        np.geomspace(config.lowest, config.highest, number, dtype=np.float32)
        for number in (config.rates, config.epochs)
    )
    losses = try_rates(datasets.values(), methods.values(), rates, config.epochs)
    curvatures = {
        name: jax.device_get(measure(data)) for name, data in datasets.items()
    }
    edges = {
        (name, kind): find_edge(rates, losses[i, j], curvatures[name], method)
        for i, name in enumerate(datasets)
        for j, (kind, method) in enumerate(methods.items())
    }
    right = sum(
        edge.stable <= edge.predicted <= edge.unstable for edge in edges.values()
    )
    limits = {name: edges[name, "plain"].predicted for name in datasets}
    courses = try_rates(
        [raw], [Method()], limits["raw"] * np.array(PARTS_OF_LIMIT), config.epochs
    )

    state = fl.init_state(jax.random.key(0), initial_params(), optax.sgd(0.0))
    before = jax.device_get(state.params)
    found = {
        name: np.asarray(find(state, data, jnp.asarray(ramp)))
        for name, data in datasets.items()
    }
    after = jax.device_get(state.params)
    finder = {name: float(ramp[np.nanargmin(loss)]) for name, loss in found.items()}
    return Outcome(
        tables=(_curvatures_table(curvatures, limits, finder), _edges_table(edges)),
        plots={
            "rates": Plot(
                f"The loss after {config.epochs} epochs of plain descent with "
                f"{config.rates} learning rates. The vertical lines are the predicted "
                "limits.",
                partial(
                    _draw_rates,
                    rates,
                    dict(zip(datasets, losses[:, 0, :, -1], strict=True)),
                    limits,
                    "Too small stalls, too large blows up,\nand 2/λ tells where",
                ),
            ),
            "courses": Plot(
                "Four runs on the raw readings, with parts of the predicted limit as "
                "learning rates. Even the best gets stuck: in its flattest direction "
                f"the loss bends {float(curvatures['raw'].condition):.0f} times less "
                "than in its steepest, and there every stable rate is too small.",
                partial(_draw_courses, courses[0, 0]),
            ),
            "finder": Plot(
                f"The losses of runs that raise the learning rate at each of "
                f"{config.epochs} steps. The vertical lines are the predicted limits.",
                partial(
                    _draw_rates,
                    ramp,
                    found,
                    limits,
                    "A finder raises the rate until the loss\nexplodes, and by then is "
                    "past the limit",
                ),
            ),
        },
        findings=(
            *(
                f"On the raw readings the limit is {limits['raw']:.3g}: the published "
                f"rate {rate:g} "
                f"{'must explode' if rate > limits['raw'] else 'is stable'}."
                for rate in PUBLISHED_RATES
            ),
            f"With the readings {divided} it is {limits[divided]:.3g}.",
            f"In {right} of {len(edges)} cases the predicted limit lies between the "
            "last rate tried that is stable and the first that is not.",
            f"The finder's loss on the raw readings is lowest at the rate "
            f"{finder['raw']:.2g}, {finder['raw'] / limits['raw']:.1f} times the "
            "limit. The parameters that it started from "
            f"{'have' if before == after else 'do not have'} the same bits afterwards.",
        ),
    )


def _check(config: Config) -> None:
    check_epochs(config.epochs)
    if config.rates < 1:
        raise ValueError(f"rates must be at least 1; got {config.rates}.")
    if not 0 < config.lowest < config.highest < np.inf:
        raise ValueError(
            "lowest must be positive and less than highest, a finite number; got "
            f"{config.lowest:g} and {config.highest:g}."
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
) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    for readings, loss in losses.items():
        (line,) = axes.plot(rates, loss, label=readings)
        axes.axvline(
            limits[readings], color=line.get_color(), linestyle=":", linewidth=1.2
        )
    axes.set(
        title=title,
        xlabel="Learning rate",
        ylabel="Loss (°C²)",
        xscale="log",
        yscale="log",
        ylim=(1, 1e6),
    )
    axes.legend(title="Readings", loc="upper left")
    return figure


def _draw_courses(courses: np.ndarray) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    named = zip(PARTS_OF_LIMIT, courses, strict=True)
    curves = {f"{part:g} of the limit": loss for part, loss in named}
    plots.learning_curves(axes, curves)
    axes.set(
        title="A hair above the limit the loss explodes;\nfar below it hardly falls",
        ylabel="Loss (°C²)",
        ylim=(10, 1e5),
    )
    return figure


if __name__ == "__main__":
    launch(run, Config)
