"""The same runs as PyTorch's recorded ones, all in one program.

PyTorch's are data: `tests/optimizers/torch_runs.npz`, written by
`tools/record_optimizers.py`.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from benchmarks.marks import QUICK

FILE = Path(__file__).parents[1] / "tests" / "optimizers" / "torch_runs.npz"
QUICKEST = QUICK | {"xla_cpu_use_fusion_emitters": False}
# What looks at more of a leaf than one entry; the others may have one leaf.
BY_LEAF = ("adafactor", "lbfgs", "muon", "sparse_adam")
PROBLEMS = {
    "weight": "thermometer",
    "bias": "thermometer",
    "quadratic": "quadratic",
    "first": "network",
    "first_bias": "network",
    "second": "network",
    "second_bias": "network",
    "table": "rows",
}
Make = Callable[[Any, dict[str, Any]], optax.GradientTransformation]
"""`(schedule of the learning rate, other settings) -> optimizer`."""


class Run(NamedTuple):
    """A recorded run.

    Attributes:
        number: its place in the file.
        name: of our function.
        torch: of PyTorch's class.
        settings: the numbers, lists of two where they change from step to step.
        maximize: whether it climbs minus the loss.
        leaves: the parameters that it moves.
    """

    number: int
    name: str
    torch: str
    settings: dict[str, Any]
    maximize: bool
    leaves: tuple[str, ...]


class Recorded(NamedTuple):
    """The file.

    Attributes:
        runs: all runs.
        kept: by the decay of the learning rate the steps after which parameters are
            kept.
        arrays: by name.
    """

    runs: tuple[Run, ...]
    kept: Mapping[float, Sequence[int]]
    arrays: Mapping[str, np.ndarray]

    def folder(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of a folder, such as the initial parameters."""
        return {
            key.removeprefix(f"{name}/"): value
            for key, value in self.arrays.items()
            if key.startswith(f"{name}/")
        }


@functools.cache
def recorded() -> Recorded:
    """Reads the file."""
    with np.load(FILE) as file:
        arrays = {key: file[key] for key in file.files}
    told = json.loads(str(arrays.pop("settings")))
    runs = [
        Run(number, **run | {"leaves": tuple(run["leaves"])})
        for number, run in enumerate(told["runs"])
    ]
    kept = {float(decay): tuple(steps) for decay, steps in told["kept"].items()}
    return Recorded(tuple(runs), kept, arrays)


def loss(params: dict[str, Any], data: Mapping[str, Any], step: Any) -> jax.Array:
    """The sum of the losses of all problems, which share no parameter."""
    p = params
    line = p["weight"] * data["unknown"] + p["bias"]
    bowl = 0.5 * jnp.sum(p["quadratic"] * (data["curvature"] @ p["quadratic"]))
    first_bias, second_bias = p["first_bias"][None], p["second_bias"][None]
    hidden = jnp.tanh(data["inputs"] @ p["first"].T + first_bias)
    network = hidden @ p["second"].T + second_bias
    rows = data["rows"][step]
    return (
        jnp.mean((line - data["celsius"]) ** 2)
        + bowl
        - jnp.sum(data["slope"] * p["quadratic"])
        + jnp.mean((network - data["targets"]) ** 2)
        + jnp.sum((p["table"][rows] - data["wanted"][rows]) ** 2)
    )


def now(setting: Any, count: Any) -> Any:
    """A setting, as a schedule if it changes from step to step."""
    return setting[0] + setting[1] * count if isinstance(setting, list) else setting


def ours(run: Run) -> Make:
    """What makes the optimizer of this library for a run."""
    pairs = {"betas", "etas", "step_sizes", "eps"}

    def read(setting: Any) -> Any:
        return functools.partial(now, setting) if isinstance(setting, list) else setting

    def make(lr: Any, settings: dict[str, Any]) -> optax.GradientTransformation:
        given = {
            key: tuple(map(read, value))
            if key in pairs and isinstance(value, list)
            else read(value)
            for key, value in settings.items()
        }
        climbing = {"maximize": True} if run.maximize else {}
        return getattr(fl.optimizers, run.name)(lr, **given, **climbing)

    return make


class Entry(NamedTuple):
    """A run to be made.

    Attributes:
        run: as it was recorded.
        make: what makes its optimizer.
        dtype: of the parameters.
    """

    run: Run
    make: Make
    dtype: Any = jnp.float64

    def optimizer(self, decay: jax.Array) -> optax.GradientTransformation:
        """With the learning rate lr / (1 + decay * count)."""
        settings = dict(self.run.settings)
        lr = settings.pop("lr")
        return self.make(lambda count: lr / (1 + decay * count), settings)

    def part(self, flat: jax.Array) -> Any:
        """What the optimizer sees of all parameters: leaves where they matter."""
        if self.run.name not in BY_LEAF:
            return flat
        places = places_of_leaves()
        shapes = {
            name: np.shape(recorded().arrays[f"initial/{name}"]) for name in places
        }
        return {
            name: flat[places[name]].reshape(shapes[name]) for name in self.run.leaves
        }

    def moved(self, flat: jax.Array, change: Any) -> jax.Array:
        """All parameters after a step."""
        if self.run.name not in BY_LEAF:
            return flat + change
        for name, leaf in change.items():
            flat = flat.at[places_of_leaves()[name]].add(leaf.ravel())
        return flat


def places_of_leaves() -> dict[str, slice]:
    """Where the leaves are in a row of all parameters."""
    initial = recorded().folder("initial")
    ends = np.cumsum([leaf.size for leaf in initial.values()])
    return {
        name: slice(int(end) - leaf.size, int(end))
        for (name, leaf), end in zip(initial.items(), ends, strict=True)
    }


def train(
    entries: Sequence[Entry], decays: Sequence[float]
) -> tuple[list[np.ndarray], list[Any]]:
    """Makes runs again, all in one program, the gradients of all in one map.

    Args:
        entries: the runs.
        decays: of the learning rate, lr / (1 + decay * count).

    Returns:
        For every run all parameters after every step (decays, steps, parameters), and
        the last states of the optimizers, with an axis of decays.
    """
    file = recorded()
    initial = file.folder("initial")
    places = places_of_leaves()
    start = np.concatenate([leaf.ravel() for leaf in initial.values()])
    dtypes = [entry.dtype for entry in entries]

    def slope(flat: jax.Array, step: jax.Array) -> jax.Array:
        def value(flat: jax.Array) -> jax.Array:
            data = {
                key: jnp.asarray(one, None if key == "rows" else flat.dtype)
                for key, one in file.folder("data").items()
            }
            leaves = {
                name: flat[place].reshape(initial[name].shape)
                for name, place in places.items()
            }
            return loss(leaves, data, step)

        return jax.grad(value)(flat)

    def slopes(rows: list[jax.Array], step: jax.Array) -> list[jax.Array]:
        grads: list[Any] = list(rows)
        for dtype in set(dtypes):
            here = [at for at, one in enumerate(dtypes) if one == dtype]
            mapped = jax.vmap(slope, (0, None))(
                jnp.stack([rows[at] for at in here]), step
            )
            for index, at in enumerate(here):
                sign = -1 if entries[at].run.maximize else 1
                grads[at] = sign * mapped[index]
        return grads

    @jax.vmap
    def result(decay: jax.Array) -> Any:
        made = [entry.optimizer(decay) for entry in entries]

        def advance(carry: Any, step: jax.Array) -> Any:
            rows, states = carry
            after, kept = [], []
            for entry, one, grad, row, state in zip(
                entries, made, slopes(rows, step), rows, states, strict=True
            ):
                change, new = one.update(entry.part(grad), state, entry.part(row))
                after.append(entry.moved(row, change))
                kept.append(new)
            return (after, kept), after

        rows = [jnp.asarray(start, entry.dtype) for entry in entries]
        states = [
            one.init(entry.part(row))
            for entry, one, row in zip(entries, made, rows, strict=True)
        ]
        (_, states), course = jax.lax.scan(
            advance, (rows, states), jnp.arange(len(file.arrays["data/rows"]))
        )
        return course, states

    return jax.tree.map(np.asarray, once(result, jnp.asarray(decays)))


def once(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, compiled in a quarter of the usual time on a CPU."""
    lowered = jax.jit(function).lower(*arguments)
    try:
        compiled = lowered.compile(compiler_options=QUICKEST)
    except jax.errors.JaxRuntimeError:  # other versions have other options
        compiled = lowered.compile()
    return compiled(*arguments)


def apart(run: Run, got: np.ndarray, wanted: np.ndarray) -> float:
    """The largest distance of two runs, each problem's of its largest parameter.

    Args:
        run: which it is.
        got: all parameters after steps (steps, parameters).
        wanted: those that PyTorch moved.
    """
    places = places_of_leaves()
    mine = np.concatenate([got[:, places[name]] for name in run.leaves], axis=1)
    sizes = {name: recorded().arrays[f"initial/{name}"].size for name in run.leaves}
    problem = np.repeat([PROBLEMS[name] for name in sizes], list(sizes.values()))
    distances = [
        np.max(np.abs(mine - wanted)[:, problem == one], axis=1)
        / np.max(np.abs(wanted)[:, problem == one], axis=1)
        for one in set(problem)
    ]
    return float(np.max(distances))
