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
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments import _data
from experiments._thermometer import initial_params, objective
from experiments.harness import Count, Momentum, Positive, Settings
from funclearn.diagnosis import Stability, stability
from funclearn.models import LinearParams
from funclearn.sweeps import sweep

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Reading notes on the book",
    "Foundations for machine learning",
)
PARTS_OF_LIMIT = (0.001, 0.03, 0.9, 1.05)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    csv: Path | None = None
    """File of two columns, in place of the thermometer's readings."""
    target: str | None = None
    """Its column to predict from the other one."""
    rates: Count = 1000
    """Number of learning rates, evenly spaced on a logarithmic scale."""
    lowest: Positive = 1e-6
    """Lowest learning rate."""
    highest: Positive = 10.0
    """Highest learning rate."""
    epochs: Count = 100
    """Number of epochs of every run, and of steps of the finder."""
    input_scale: Positive = 10.0
    """What the readings are divided by to scale them."""
    momentum: Momentum = 0.9
    """Momentum of the runs that have one."""


class Method(NamedTuple):
    """Gradient descent, plain or with momentum."""

    momentum: float = 0.0
    nesterov: bool = False


METHODS = ("plain", "momentum", "Nesterov's momentum")


class Edge(NamedTuple):
    """Where a method becomes unstable: predicted, and between two rates tried."""

    predicted: float
    stable: float
    unstable: float

    @property
    def right(self) -> bool:
        """Whether the prediction lies between the two rates."""
        return self.stable <= self.predicted <= self.unstable


class Result(NamedTuple):
    """What 1,000 rates do on three scales of the readings, and what was predicted.

    Attributes:
        rates: `(rates,)`, the learning rates tried.
        losses: scale -> losses `(rates,)` after plain descent.
        curvatures: scale -> how the loss bends at the start.
        edges: scale and method -> where the method becomes unstable.
        courses: `(parts, epochs)`, losses on the raw readings with PARTS_OF_LIMIT.
        ramp: `(epochs,)`, the rising rates of the finder.
        found: scale -> losses `(epochs,)` of the finder.
        untouched: whether the state that the finder was given is as it was.
        readings: as they are, not scaled.
        scalers: scale -> what scales the readings.
    """

    rates: np.ndarray
    losses: dict[str, np.ndarray]
    curvatures: dict[str, Stability]
    edges: dict[tuple[str, str], Edge]
    courses: np.ndarray
    ramp: np.ndarray
    found: dict[str, np.ndarray]
    untouched: bool
    readings: _data.Readings
    scalers: dict[str, fl.data.Scaler]

    @property
    def limits(self) -> dict[str, float]:
        """The predicted limit of plain descent, on every scale."""
        return {name: self.edges[name, METHODS[0]].predicted for name in self.losses}


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


def make_scalers(raw: fl.Dataset, config: Config) -> dict[str, fl.data.Scaler]:
    """Leaves the readings raw, divides them by a number, and standardises them."""
    return {
        "raw": fl.data.Scaler(),
        f"divided by {config.input_scale:g}": fl.data.Scaler(
            input_scale=config.input_scale
        ),
        "standardised": fl.data.standardise(raw)[1],
    }


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


def study(config: Config) -> Result:
    """Predicts the limits, tries 1,000 rates on three scales, and looks for one.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if the rates are not in order, or the file is not as it must be.
    """
    if config.lowest >= config.highest:
        raise ValueError(
            f"lowest must be less than highest; got {config.lowest:g} and "
            f"{config.highest:g}."
        )
    raw = _data.readings(config.csv, config.target)
    scalers = make_scalers(raw.data, config)
    datasets = {name: scaler(raw.data) for name, scaler in scalers.items()}
    momentum = config.momentum
    kinds = (Method(), Method(momentum), Method(momentum, nesterov=True))
    methods = dict(zip(METHODS, kinds, strict=True))
    rates, ramp = (
        np.geomspace(config.lowest, config.highest, number, dtype=np.float32)
        for number in (config.rates, config.epochs)
    )
    losses = try_rates(datasets.values(), kinds, rates, config.epochs)
    curvatures = {
        name: jax.device_get(measure(data)) for name, data in datasets.items()
    }
    edges = {
        (name, kind): find_edge(rates, losses[i, j], curvatures[name], method)
        for i, name in enumerate(datasets)
        for j, (kind, method) in enumerate(methods.items())
    }
    parts = edges["raw", METHODS[0]].predicted * np.array(PARTS_OF_LIMIT)
    courses = try_rates([datasets["raw"]], [Method()], parts, config.epochs)[0, 0]

    state = fl.init_state(jax.random.key(0), initial_params(), optax.sgd(0.0))
    before = jax.device_get(state.params)
    found = {
        name: np.asarray(find(state, data, jnp.asarray(ramp)))
        for name, data in datasets.items()
    }
    untouched = before == jax.device_get(state.params)
    ends = dict(zip(datasets, losses[:, 0, :, -1], strict=True))
    return Result(
        rates,
        ends,
        curvatures,
        edges,
        courses,
        ramp,
        found,
        untouched,
        raw,
        scalers,
    )
