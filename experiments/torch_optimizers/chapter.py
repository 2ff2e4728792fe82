"""Follows every optimizer of PyTorch over two losses, step for step as PyTorch does.

Each is given two numbers to move. On the thermometer with scaled readings they are the
slope and the offset of a line, and the loss is a long, straight valley. The second loss
is Rosenbrock's,

    (1 - x)² + 100 (y - x²)²

a valley with a curved floor: it is easy to fall into and hard to follow.

SGD and ASGD step along the gradient: the steep walls limit their learning rate, and on
the flat floor they crawl. Momentum adds up past steps, which agree along the floor and
cancel across it.

Adaptive optimizers (Adagrad, Adadelta, RMSprop, Adafactor) divide the gradient of every
parameter by its own recent size, so the floor counts as much as the walls. Adam and its
relatives do so with momentum; AdamW also shrinks the parameters, and ends short of the
minimum.

Rprop looks at signs alone: the step of a parameter grows while the sign of its gradient
stays, and shrinks when that changes. Muon takes matrices only and brings the singular
values of their momentum near 1; here it is given a matrix of one row, so every step is
about as long as the learning rate. LBFGS learns the curvature from past gradients and
searches along its direction, which takes several gradients a step.

Learning rates are chosen for each problem; the other settings are PyTorch's defaults,
but for the momentum of 0.9 where it is named, Muon without weight decay, and LBFGS with
one iteration a step and PyTorch's line search (strong Wolfe).

All paths are compared with those that PyTorch recorded. Steps of RMSprop and Adadelta
do not shrink with the gradient. Where they bounce, a rounding error grows from step to
step, and PyTorch itself leaves its own path if its start is one rounding error away.
Muon rounds to bfloat16, which can make a rounding error of float32 65,000 times as
large.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments.harness import Count, Positive, Settings
from experiments.torch_optimizers.rates import OPTIMIZERS, Name, Optimizer, Problem

SOURCES = ("Deep Learning with PyTorch, chapter 5",)

TORCH_PATHS = Path(__file__).with_name("torch_paths.npz")
INPUT_SCALE = 10.0

Paths: TypeAlias = dict[Name, Any]
"""The points `(steps + 1, 2)` that optimizers went through."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    optimizers: tuple[Name, ...] = tuple(OPTIMIZERS)
    """Optimizers to follow."""
    steps: Count = 500
    """Number of steps; PyTorch's paths, recorded with these settings, have 500."""
    rate_factor: Positive = 1.0
    """What every learning rate is multiplied by."""


def thermometer_loss(point: jax.Array, readings: fl.Dataset) -> jax.Array:
    """The mean squared error of the line with slope and offset `point`."""
    return fl.losses.mse(point[0] * readings.inputs + point[1], readings.targets)


def valley_loss(point: jax.Array, data: object) -> jax.Array:
    """Rosenbrock's function, which needs no data."""
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


class Landscape(NamedTuple):
    """A loss `(point, readings) -> scalar` of two numbers, and where paths start."""

    loss: Callable[[jax.Array, fl.Dataset], jax.Array]
    start: tuple[float, float]


LANDSCAPES: dict[Problem, Landscape] = {
    "thermometer": Landscape(thermometer_loss, (1.0, 0.0)),
    "valley": Landscape(valley_loss, (-1.2, 1.0)),
}


def scaled_readings() -> fl.Dataset:
    """The thermometer's, in the float type in use."""
    return fl.data.Scaler(input_scale=INPUT_SCALE)(fl.data.thermometer())


def best_points(readings: fl.Dataset) -> dict[Problem, np.ndarray]:
    """Where each loss is least, without any descent."""
    x, y = (np.asarray(column, float) for column in readings)
    return {"thermometer": np.polyfit(x, y, deg=1), "valley": np.ones(2)}


def make(entry: Optimizer, rate: float) -> optax.GradientTransformation:
    """The optimizer of this library that has PyTorch's name."""
    name = "sparse_adam" if entry.name == "SparseAdam" else entry.name.lower()
    return getattr(fl.optimizers, name)(rate, **entry.settings)


def follow(
    optimizer: optax.GradientTransformation,
    landscape: Landscape,
    readings: fl.Dataset,
    steps: int,
    *,
    as_matrix: bool = False,
) -> jax.Array:
    """The path `(steps + 1, 2)` from the start on.

    Args:
        optimizer: what makes the steps.
        landscape: the loss.
        readings: what it is taken of.
        steps: how many.
        as_matrix: whether the point is a matrix of one row, as Muon needs it.
    """

    def objective(point: jax.Array, batch: fl.Dataset, key: object) -> jax.Array:
        return landscape.loss(point.ravel(), batch)

    def after(state: fl.TrainState, info: fl.StepInfo, evaluation: Any) -> jax.Array:
        return state.params

    start = jnp.array(landscape.start).reshape((1, 2) if as_matrix else 2)
    state = fl.init_state(jax.random.key(0), start, optimizer)
    step = fl.make_train_step(objective, optimizer)
    run = fl.fit(step, state, readings, epochs=steps, record=after)
    return jnp.concatenate([start[None], run.history]).reshape(-1, 2)


@partial(jax.jit, static_argnames="config")
def follow_all(readings: fl.Dataset, config: Config) -> dict[Problem, Paths]:
    """All paths, in one compiled program."""

    def path(problem: Problem, name: Name) -> jax.Array:
        entry = OPTIMIZERS[name]
        return follow(
            make(entry, config.rate_factor * entry.rates[problem]),
            LANDSCAPES[problem],
            readings,
            config.steps,
            as_matrix=entry.name == "Muon",
        )

    return {
        problem: {name: path(problem, name) for name in config.optimizers}
        for problem in LANDSCAPES
    }


class TorchPath(NamedTuple):
    """A path of PyTorch's.

    Attributes:
        steps: at which points are recorded, the start first.
        points: `(len(steps), 2)`.
        itself: how far PyTorch is from this path, at most, when it starts one rounding
            away.
    """

    steps: np.ndarray
    points: np.ndarray
    itself: float

    def distance(self, path: np.ndarray) -> float:
        """The largest distance of another path, where both have points."""
        shared = self.steps[self.steps < len(path)]
        gaps = path[shared].astype(float) - self.points[: len(shared)]
        return float(np.hypot(*gaps.T).max())


def torch_paths(dtype: str) -> dict[Problem, dict[Name, TorchPath]]:
    """PyTorch's paths in a float type."""

    def path(recorded: Mapping[str, np.ndarray], place: str) -> TorchPath:
        itself = float(recorded[f"{place}/itself"])
        return TorchPath(recorded["kept"], recorded[place], itself)

    with np.load(TORCH_PATHS) as recorded:
        return {
            problem: {
                name: path(recorded, f"{problem}/{name}/{dtype}") for name in OPTIMIZERS
            }
            for problem in LANDSCAPES
        }


class Result(NamedTuple):
    """What the chapter finds.

    Attributes:
        readings: the thermometer's, scaled.
        best: where each loss is least.
        paths: of every problem and optimizer, in the float type in use.
        torch: float type -> the same, recorded by PyTorch.
        distances: float type -> the largest distance of every path from PyTorch's.
    """

    readings: fl.Dataset
    best: dict[Problem, np.ndarray]
    paths: dict[Problem, Paths]
    torch: dict[str, dict[Problem, dict[Name, TorchPath]]]
    distances: dict[str, dict[Problem, dict[Name, float]]]


def study(config: Config) -> Result:
    """Follows the optimizers, in the float type in use and in float64.

    Raises:
        ValueError: if an optimizer is named twice.
    """
    if len(set(config.optimizers)) < len(config.optimizers):
        raise ValueError(f"optimizers must differ; got {config.optimizers}.")
    found, torch, distances = {}, {}, {}
    for double in dict.fromkeys([jax.config.read("jax_enable_x64"), True]):
        dtype = "float64" if double else "float32"
        with jax.enable_x64(double):
            paths = jax.device_get(follow_all(scaled_readings(), config))
        # A compiled program sorts the keys of dictionaries.
        found[dtype] = {
            problem: {name: paths[problem][name] for name in config.optimizers}
            for problem in LANDSCAPES
        }
        torch[dtype] = torch_paths(dtype)
        distances[dtype] = {
            problem: {
                name: torch[dtype][problem][name].distance(path)
                for name, path in paths.items()
            }
            for problem, paths in found[dtype].items()
        }
    readings, (in_use, *_) = scaled_readings(), found.values()
    return Result(readings, best_points(readings), in_use, torch, distances)
