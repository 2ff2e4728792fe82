"""A run called for many arguments at once."""

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import PyTree

from funclearn._checks import check_direction, check_same_structure
from funclearn._lanes import Spread, Watch, map_blocks, spread_of, watching
from funclearn.sweeps._grid import check_run, read_grid, read_static
from funclearn.sweeps._result import By, Sweep
from funclearn.sweeps._scores import score_for
from funclearn.sweeps._values import Static, length

__all__ = ["sweep"]


def sweep(
    run: Callable[..., PyTree],
    grid: Mapping[str, PyTree],
    *,
    zipped: bool = False,
    static_argnames: str | Sequence[str] = (),
    block_size: int | None = None,
    progress: object = False,
    best_by: By | None = None,
    best_direction: str = "min",
    mesh: Mesh | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Sweep:
    """Calls a run for many arguments at once.

    The lanes run in blocks of one size: on a CPU as many as keep a step's values in the
    cache, and on several threads. A lane stops by itself, and no other lane has a say
    in its bits. They differ by roundings from those of `run` alone and of another
    `block_size`, since XLA fuses each program in its own way.

    Where the cache would hold fewer than eight lanes, mapping gains nothing, and they
    run one by one through one program, on several threads: so do minibatches of images,
    convolutions and large matrices. Beside one run after the other, with minibatches of
    256 on two busy cores, 50 seeds of a linear model (784-10) were 1.55 times as fast;
    of 784-30-10, 784-256-10 and a small convolutional network 0.96 to 1.12 times
    (`python -m benchmarks.images`). Small models in small minibatches, whose lanes are
    mapped, were 1.4 to 3.8 times as fast.

    It compiles once for a function `run`, so define that outside of a loop. Under
    `jax.jit`, `jax.grad` and `jax.vmap` it becomes a part of what they transform.

    Args:
        run: a pure function of keyword arguments that returns a pytree of arrays. Let
            it return only what you need; a history is as long as its run.
        grid: by the argument's name its values: an array, a pytree of arrays or a list
            or tuple of numbers, whose leading axis is the axis of the sweep.
        zipped: takes the first values together, then the second, and so on, along a
            single axis, instead of all combinations.
        static_argnames: arguments that are not traced, as in `jax.jit`: widths, degrees
            or the names of optimizers. Their values are a list, and each compiles a
            program of its own, which is faster than a `jax.lax.switch`: lanes would
            compute all of its branches. Results must agree in structure and shape.
        block_size: lanes at once; None leaves the choice to the library.
        progress: True shows on standard error how many lanes are done, the best so far,
            the lanes a second and the time left, as `running.run` does; None does so on
            terminals and in notebooks alone; an object of your own has the methods of
            `running.Progress`, and gets a `SeenLanes`. Results have the same bits.
            Under a transformation nothing is shown.
        best_by: what the best so far goes by: `by` of `Sweep.best`. None: what a run
            returns, if that is one number; otherwise no best is shown.
        best_direction: `"min"`, or `"max"` if more is better.
        mesh: devices over which the lanes are dealt out, as `funclearn.devices.mesh`
            makes one; of several processes, each of which calls the sweep alike and
            returns the whole of it. A lane has the bits that it has on one such device.
        folder: where lanes that are done are kept, about once a second. A sweep that
            was interrupted, killed, or lost a process goes on with those that are
            missing, with the same bits on any number of devices and processes; it is
            refused where it is of another run, other values, another `block_size` or
            version of XLA.

    Returns:
        The results, with an axis for every name, in the order of the grid.

    Raises:
        TypeError: if values are neither arrays nor numbers nor static, the names are
            not those of the run's arguments, it returns no arrays, or `progress` or
            `best_by` is nothing of the above.
        ValueError: if the grid is empty, values have no leading axis in common or do
            not fit JAX's dtypes, zipped values are unequal in number, or results
            differ in structure; `best_by` gives no real scalar; or `mesh` or `folder`
            is given under a transformation, or the mesh has devices of some processes
            and not of others.
        RuntimeError: if a process of the mesh was lost, once this one has done its own
            lanes; or another sweep writes to the folder.
        funclearn.checkpoints.CheckpointError: if the folder is of another sweep.
        OSError: if it cannot be written to.
        KeyboardInterrupt: at once on Ctrl-C. No other block is begun; those that run
            in XLA then cannot be stopped, and end in the background.

    Example:
        >>> def run(rate, start):
        ...     return start * (1 - 2 * rate) ** 3  # three steps on x²
        >>> grid = {"rate": [0.25, 0.5], "start": [1.0, 2.0, 4.0]}
        >>> swept = fl.sweeps.sweep(run, grid)
        >>> print(swept.result.shape, swept.select(rate=0.25, start=4.0).result)
        (2, 3) 0.5
        >>> swept.best(jnp.abs).point["rate"].item()
        0.5
    """
    check_run(run, grid)
    values = read_grid(grid, read_static(static_argnames, grid))
    lengths = {name: length(name, given) for name, given in values.items()}
    if not zipped:
        axes = tuple((name,) for name in values)
        indices = dict(zip(values, np.indices(tuple(lengths.values())), strict=True))
    elif len(set(lengths.values())) == 1:
        axes = (tuple(values),)
        indices = dict.fromkeys(values, np.arange(min(lengths.values())))
    else:
        raise ValueError(f"zipped values must be equal in number; got {lengths}.")
    check_direction("best_direction", best_direction)
    spread = spread_of(mesh, folder)
    make_score = functools.partial(score_for, best_by)
    lanes = np.broadcast_shapes(*(index.shape for index in indices.values()))
    shown = progress, math.prod(lanes), make_score, best_direction, spread
    with watching(*shown) as watch:
        result = _run(run, values, indices, block_size, watch, spread)
    if not jax.tree.leaves(result):
        raise TypeError(f"run must return arrays or numbers; got {result!r}.")
    return Sweep(result=result, values=values, axes=axes)


def _run(
    run: Callable[..., PyTree],
    values: Mapping[str, PyTree],
    indices: Mapping[str, np.ndarray],
    block_size: int | None,
    watch: Watch | None,
    spread: Spread | None,
) -> PyTree:
    """Maps `run` over the lanes, once for every combination of static values."""
    static = [name for name, given in values.items() if isinstance(given, Static)]
    traced = {name: given for name, given in values.items() if name not in static}
    mapped = functools.partial(map_blocks, run, block_size=block_size, watch=watch)
    if not static:
        return mapped(traced, indices, spread=spread)
    shape = next(iter(indices.values())).shape
    flat = {name: index.reshape(-1) for name, index in indices.items()}
    chosen = np.stack([flat[name] for name in static], axis=1)
    combinations, which = np.unique(chosen, axis=0, return_inverse=True)
    groups = [np.flatnonzero(which == at) for at in range(len(combinations))]
    parts, labels = [], []
    for combination, group in zip(combinations, groups, strict=True):
        chosen = zip(static, combination, strict=True)
        fixed = {name: values[name][at] for name, at in chosen}
        positions = {name: flat[name][group] for name in traced}
        place = spread and spread.within(f"static-{len(parts)}")
        part = mapped(traced, positions, static=fixed, spread=place)
        # Of static values alone there is one lane, and no axis for it.
        if not traced:
            part = jax.tree.map(lambda leaf: leaf[None], part)
        parts.append(part)
        labels.append(", ".join(f"{name}={value!r}" for name, value in fixed.items()))
    _check_alike(parts, labels)
    # The parts are in the order of the combinations, the lanes in that of the grid.
    order = np.argsort(np.concatenate(groups))

    def join(*leaves: jax.Array) -> jax.Array:
        joined = jnp.concatenate(leaves)[order]
        return joined.reshape((*shape, *joined.shape[1:]))

    return jax.tree.map(join, *parts)


def _check_alike(parts: Sequence[PyTree], labels: Sequence[str]) -> None:
    first, *others = [
        jax.eval_shape(lambda part: jax.tree.map(lambda leaf: leaf[0], part), part)
        for part in parts
    ]
    for other, label in zip(others, labels[1:], strict=True):
        check_same_structure(f"run({label})", other, first, f"run({labels[0]})")
