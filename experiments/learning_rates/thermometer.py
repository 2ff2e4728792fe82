"""A grid of runs to be moved through: learning rates, momenta and scales.

All of them are one sweep, of the whole path of every run.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments._data import Readings, label, power
from experiments._thermometer import evaluate, initial_params, objective
from experiments.harness import Explorable, Quantised
from funclearn.data import Scaler
from funclearn.diagnosis import Stability
from funclearn.sweeps import sweep

RATES, EPOCHS = 43, 100
MOMENTA = (0.0, 0.5, 0.8, 0.9)
POINTS, FAR = 500, 1000


class Path(NamedTuple):
    """Where a run was, and its loss there.

    Attributes:
        weight: `(epochs + 1,)`, at the start and after every epoch; NaN after the last
            one that ran.
        bias: likewise.
        loss: likewise.
        epochs: number of epochs that ran.
        end: the weight, the bias and the loss at the end.
    """

    weight: jax.Array | np.ndarray
    bias: jax.Array | np.ndarray
    loss: jax.Array | np.ndarray
    epochs: jax.Array | np.ndarray
    end: jax.Array | np.ndarray


def walk(readings: fl.Dataset, momentum: jax.Array, rate: jax.Array) -> Path:
    """Descends until the loss is no longer finite, or `EPOCHS` are over."""
    optimizer = optax.sgd(rate, momentum)
    state = fl.init_state(jax.random.key(0), initial_params(), optimizer)
    run = fl.fit(
        fl.make_train_step(objective, optimizer),
        state,
        readings,
        epochs=EPOCHS,
        record=lambda state, info, _: (*state.params, info.loss),
        stop=fl.stopping.diverged(),
    )
    weights, biases, losses = run.history
    last = evaluate(run.state.params, readings)
    return Path(
        weight=jnp.append(state.params.weight, weights),
        bias=jnp.append(state.params.bias, biases),
        # A step knows the loss before it; the one after the last step is missing.
        loss=jnp.append(losses, jnp.nan).at[run.epochs].set(last),
        epochs=run.epochs,
        end=jnp.stack([*run.state.params, last]),
    )


def walk_all(datasets: Mapping[str, fl.Dataset], rates: np.ndarray) -> Path:
    """The paths `(scales, momenta, rates, ...)`."""
    stacked = jax.tree.map(lambda *columns: jnp.stack(columns), *datasets.values())
    grid = {
        "readings": stacked,
        "momentum": jnp.array(MOMENTA),
        "rate": jnp.asarray(rates),
    }
    return jax.device_get(sweep(walk, grid).result)


class Valley(NamedTuple):
    """The loss of a line around its minimum, and the part of it to look at.

    Attributes:
        minimum: weight and bias.
        lowest: the loss there.
        radii: `(contours,)`, by what the ellipse is multiplied for every contour.
        ellipse: `(points, 2)`, weights and biases around the minimum.
        window: lowest and highest weight, and lowest and highest bias.
    """

    minimum: np.ndarray
    lowest: float
    radii: np.ndarray
    ellipse: np.ndarray
    window: np.ndarray


def survey(readings: fl.Dataset) -> Valley:
    """Finds the valley, which is a parabola: its contours are ellipses.

    A step of gradient descent at its limit mirrors the parameters in the minimum, so
    their mirror image is looked at too.
    """
    x, y = (np.asarray(column, float) for column in readings)
    design = np.stack([x, np.ones_like(x)], axis=1)
    minimum = np.linalg.lstsq(design, y, rcond=None)[0]
    bends = design.T @ design / len(x)
    # Inputs that are all equal leave one direction flat.
    root = np.linalg.cholesky(bends + 1e-12 * np.trace(bends) * np.eye(2))
    start = np.array([float(part) for part in initial_params()])
    height = np.sum((root.T @ (start - minimum)) ** 2)
    angles = np.linspace(0, 2 * np.pi, 97)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    ellipse = np.linalg.solve(root.T, circle).T
    radii = np.sqrt(height) * 2.0 ** np.arange(-5, 3)
    # Along the weight alone the bottom is elsewhere, unless the inputs' mean is zero.
    bottom = x @ (y - start[1]) / (x @ x)
    seen = np.array(
        [
            [start[0], minimum[0], 2 * bottom - start[0]],
            [start[1], minimum[1], 2 * minimum[1] - start[1]],
        ]
    )
    low, high = seen.min(axis=1), seen.max(axis=1)
    margin = 0.15 * np.where(high > low, high - low, 1.0)
    return Valley(
        minimum,
        float(np.mean((design @ minimum - y) ** 2)),
        radii,
        ellipse,
        np.stack([low - margin, high + margin], axis=1),
    )


def make_explorable(
    given: Readings,
    scalers: Mapping[str, Scaler],
    curvatures: Mapping[str, Stability],
    bounds: tuple[float, float],
    still: str,
) -> Explorable:
    """Walks through all of the grid, and packs what there is to see.

    Args:
        given: the readings, in their own units.
        scalers: scale -> what scales them.
        curvatures: scale -> how the loss bends.
        bounds: lowest and highest learning rate.
        still: the figure that stands in for it.
    """
    rates = np.geomspace(*bounds, RATES, dtype=np.float32)
    datasets = {name: scaler(given.data) for name, scaler in scalers.items()}
    paths = walk_all(datasets, rates)
    valleys = [survey(data) for data in datasets.values()]
    inputs, targets = (np.asarray(column)[:POINTS] for column in given.data)
    limits = [
        [float(found.limit(momentum)) for momentum in MOMENTA]
        for found in curvatures.values()
    ]
    return Explorable(
        "Beyond the marked limit the loss blows up, and scaling the readings moves the "
        "limit. Drag the learning rate across the mark; then choose other readings.",
        "thermometer",
        {
            "inputs": inputs,
            "targets": targets,
            "names": {
                "input": given.input_name,
                "target": given.target_name,
                "loss": label("Loss", power(given.unit, 2)),
                "unit": power(given.unit, 2),
            },
            "scales": [
                {
                    "name": name,
                    "shift": float(np.asarray(scaler.input_shift)),
                    "scale": float(np.asarray(scaler.input_scale)),
                    "minimum": valley.minimum,
                    "window": valley.window,
                    "radii": valley.radii,
                    "ellipse": valley.ellipse,
                    **_drawn(paths, place, valley.window),
                }
                for place, (valley, (name, scaler)) in enumerate(
                    zip(valleys, scalers.items(), strict=True)
                )
            ],
            "rates": rates,
            "momenta": MOMENTA,
            "limits": limits,
            "lowest": valleys[0].lowest,
            "epochs": paths.epochs,
            "ends": paths.end,
        },
        still,
    )


def _drawn(paths: Path, scale: int, window: np.ndarray) -> dict[str, Quantised]:
    """The curves of one scale, as exact as they can be seen."""
    steps = np.stack([paths.weight[scale], paths.bias[scale]], axis=-1)
    away = (steps - window.mean(axis=1)) / np.ptp(window, axis=1)
    far = np.abs(away).max(axis=-1, keepdims=True) > FAR
    # Its inverse, `sinh`, has levels that are close within the window, and wide ones
    # outside, where a path that leaves the window keeps its direction.
    return {
        "path": Quantised(np.arcsinh(np.where(far, np.nan, away))),
        "loss": Quantised(np.asarray(paths.loss[scale]), log=True),
    }
