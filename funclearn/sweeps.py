"""A sweep is an axis: many runs in one call, every one with its own stop.

    sweep(run, {"learning_rate": rates, "momentum": momenta})

calls `run(learning_rate=..., momentum=...)` for every pair, as lanes of one compiled
program, and stacks what it returns: `(rates, momenta, ...)`. What is swept over is
whatever the function takes: an optimizer's settings, noise, a penalty, a stopping
rule's patience, initial parameters, keys.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funclearn import _tables
from funclearn._blocks import map_blocks
from funclearn._checks import check_same_structure, leading_length
from funclearn.stopping import Reason

__all__ = ["Lane", "Sweep", "map_blocks", "sweep"]


class Lane(NamedTuple):
    """One run of a sweep.

    Attributes:
        point: the arguments that it was called with, by name.
        result: what it returned.
    """

    point: dict[str, Any]
    result: Any


@jax.tree_util.register_static
class _Static(tuple):
    """Values that are not traced."""


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("result", "values"),
    meta_fields=("axes",),
)
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """What the runs of a sweep returned, with the names of its axes.

    `print` writes it as a table of all that is one number a run, and `rich.print` in
    colour where it writes to a terminal.

    Attributes:
        result: a pytree as the run returned it; the leaves have the sweep's axes in
            front.
        values: by name, what was swept over.
        axes: for every axis the names that vary along it: one in a product of axes,
            all in a zipped sweep.
    """

    result: Any
    values: dict[str, Any]
    axes: tuple[tuple[str, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values along every axis."""
        return tuple(_length(name, self.values[name]) for name, *_ in self.axes)

    def at(self, **positions: int) -> "Sweep":
        """The runs at some positions, whose axes the result then lacks.

        Args:
            positions: by name, counted from 0, or from -1 backwards.

        Raises:
            ValueError: if a name is not one of the sweep's.
            IndexError: if there is no such position.
        """
        chosen = {self._axis(name): position for name, position in positions.items()}
        index = tuple(
            range(length)[chosen[axis]] if axis in chosen else slice(None)
            for axis, length in enumerate(self.shape)
        )
        axes = [names for axis, names in enumerate(self.axes) if axis not in chosen]
        return Sweep(
            result=jax.tree.map(lambda leaf: leaf[index], self.result),
            values={name: self.values[name] for names in axes for name in names},
            axes=tuple(axes),
        )

    def select(self, **values: Any) -> "Sweep":
        """The runs with some values, whose axes the result then lacks.

        Args:
            values: by name, equal to a value of the sweep but for rounding. Of zipped
                names as many as tell the run from all others.

        Raises:
            ValueError: if no value of the sweep is equal, or several are.
        """
        equal: dict[int, Any] = {}
        for name, value in values.items():
            axis = self._axis(name)
            equal[axis] = equal.get(axis, True) & self._is_equal(name, value)
        for axis, matches in equal.items():
            if np.sum(matches) != 1:
                given = {name: values[name] for name in self.axes[axis] & values.keys()}
                raise ValueError(
                    f"{given} must be at one position of the sweep; it is at "
                    f"{np.flatnonzero(matches).tolist()}. nearest takes any number."
                )
        found = {self.axes[axis][0]: int(np.argmax(x)) for axis, x in equal.items()}
        return self.at(**found)

    def nearest(self, **values: float) -> "Sweep":
        """The runs with the values nearest to some, whose axes the result then lacks.

        Args:
            values: by name; only one of names that are zipped.
        """
        distances = {
            name: np.abs(self._numbers(name) - value) for name, value in values.items()
        }
        return self.at(**{name: int(np.nanargmin(x)) for name, x in distances.items()})

    def best(self, by: Callable[[Any], Any] = lambda result: result) -> Lane:
        """The run with the lowest score, and where it is; NaN is never the lowest.

        Args:
            by: makes of what one run returned its score, a scalar; not needed where
                it returned a scalar.

        Raises:
            ValueError: if a score is no scalar, or all are NaN.
        """
        score = by
        for _ in self.axes:
            score = jax.vmap(score)
        scores = np.asarray(score(self.result))
        if scores.shape != self.shape:
            one = scores.shape[len(self.shape) :]
            raise ValueError(f"by must return a scalar; got an array of shape {one}.")
        if np.all(np.isnan(scores)):
            raise ValueError("best needs a score that is not NaN; all of them are.")
        index = np.unravel_index(np.nanargmin(scores), scores.shape)
        point = {
            name: _pick(self.values[name], int(position))
            for names, position in zip(self.axes, index, strict=True)
            for name in names
        }
        return Lane(point, jax.tree.map(lambda leaf: leaf[index], self.result))

    def _axis(self, name: str) -> int:
        for axis, names in enumerate(self.axes):
            if name in names:
                return axis
        known = ", ".join(name for names in self.axes for name in names) or "none left"
        raise ValueError(f"{name!r} must be an axis of the sweep; it has {known}.")

    def _is_equal(self, name: str, value: Any) -> Any:
        if isinstance(self.values[name], _Static):
            return np.array([one == value for one in self.values[name]])
        numbers = self._numbers(name)
        if not jnp.issubdtype(numbers.dtype, jnp.floating):
            return numbers == value
        tolerance = 4 * float(jnp.finfo(numbers.dtype).eps)
        return np.isclose(numbers, value, rtol=tolerance, atol=0)

    def _numbers(self, name: str) -> np.ndarray:
        self._axis(name)
        values = self.values[name]
        if not _is_numeric(values, ndim=1):
            raise ValueError(f"{name} holds no numbers to compare; at takes positions.")
        return np.asarray(values)

    def _columns(self) -> dict[str, list[Any]]:
        """Every name, and every part of the result that is one number a run."""
        index = list(np.ndindex(*self.shape))
        columns = {
            name: [_label(self.values[name], where[axis]) for where in index]
            for axis, names in enumerate(self.axes)
            for name in names
        }
        parts = jax.tree_util.tree_leaves_with_path(
            self.result, is_leaf=lambda node: isinstance(node, Reason)
        )
        for path, part in parts:
            name = jax.tree_util.keystr(path, simple=True, separator=".") or "result"
            if isinstance(part, Reason):
                columns[name] = list(np.asarray(part.name).reshape(-1))
            elif _is_numeric(part, ndim=len(self.axes)):
                columns[name] = list(np.asarray(part).reshape(-1))
        return columns

    def __str__(self) -> str:
        """A table: a row for every run, of its place and its numbers."""
        return _tables.plain(self._columns())

    def __rich__(self) -> Any:
        """The same for `rich.print`."""
        return _tables.rich(self._columns())


def sweep(
    run: Callable[..., Any],
    grid: Mapping[str, Any],
    *,
    zipped: bool = False,
    static_argnames: Sequence[str] = (),
    block_size: int | None = None,
) -> Sweep:
    """Calls a run for many arguments at once.

    The lanes run in blocks of one size: on a CPU so many as keep a step's values in the
    cache, on several threads. A lane stops by itself; neither the other lanes nor their
    number change its bits. They differ by roundings from those of `run` alone, which
    XLA compiles otherwise, and from those of another `block_size`.

    It compiles once for a function `run`, so define that outside of a loop. Under
    `jax.jit`, `jax.grad` and `jax.vmap` it becomes a part of what they transform.

    Args:
        run: a pure function of keyword arguments, from which it returns any pytree of
            arrays. Return what you need only: a lane's history is as long as its run.
        grid: by the argument's name its values: an array, a pytree of arrays or a list
            of numbers, whose leading axis is the axis of the sweep.
        zipped: takes the first values together, then the second, and so on, along a
            single axis, instead of all combinations.
        static_argnames: arguments that are not traced, as in `jax.jit`: widths, degrees
            or the names of optimizers. Their values are a list, and every one compiles
            a program of its own, so `run` may do anything with them; what it returns
            must have one structure and one shape.
        block_size: lanes at once; None leaves the choice to the library.

    Returns:
        The results, with an axis for every name, in the order of the grid.

    Raises:
        ValueError: if the grid is empty, values have no leading axis in common, zipped
            values are unequal in number, or results differ in structure.
    """
    if not grid:
        raise ValueError("grid must name at least one argument; got none.")
    if unknown := set(static_argnames) - set(grid):
        raise ValueError(f"static_argnames must be in grid; got {sorted(unknown)}.")
    values = {
        name: _Static(given) if name in static_argnames else _as_arrays(given)
        for name, given in grid.items()
    }
    lengths = {name: _length(name, given) for name, given in values.items()}
    if not zipped:
        axes = tuple((name,) for name in values)
        indices = dict(zip(values, np.indices(tuple(lengths.values())), strict=True))
    elif len(set(lengths.values())) == 1:
        axes = (tuple(values),)
        indices = {name: np.arange(length) for name, length in lengths.items()}
    else:
        raise ValueError(f"zipped values must be equal in number; got {lengths}.")
    result = _run(run, values, indices, block_size)
    return Sweep(result=result, values=values, axes=axes)


def _run(
    run: Callable[..., Any], values: Any, indices: Any, block_size: int | None
) -> Any:
    """Maps `run` over the lanes, once for every combination of static values."""
    static = [name for name, given in values.items() if isinstance(given, _Static)]
    traced = {name: given for name, given in values.items() if name not in static}
    if not static:
        return map_blocks(run, traced, indices, block_size=block_size)
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
        part = map_blocks(run, traced, positions, static=fixed, block_size=block_size)
        if not traced:
            part = jax.tree.map(lambda leaf: leaf[None], part)
        parts.append(part)
        labels.append(", ".join(f"{name}={value!r}" for name, value in fixed.items()))
    _check_alike(parts, labels)
    order = np.argsort(np.concatenate(groups))

    def join(*leaves: Any) -> Any:
        joined = jnp.concatenate(leaves)[order]
        return joined.reshape(*shape, *joined.shape[1:])

    return jax.tree.map(join, *parts)


def _check_alike(parts: Sequence[Any], labels: Sequence[str]) -> None:
    first, *others = [
        jax.eval_shape(lambda part: jax.tree.map(lambda leaf: leaf[0], part), part)
        for part in parts
    ]
    for other, label in zip(others, labels[1:], strict=True):
        check_same_structure(f"run({label})", other, first, f"run({labels[0]})")


def _as_arrays(given: Any) -> Any:
    if isinstance(given, list):
        return jnp.asarray(given)
    return jax.tree.map(jnp.asarray, given)


def _length(name: str, values: Any) -> int:
    return len(values) if isinstance(values, _Static) else leading_length(name, values)


def _pick(values: Any, position: int) -> Any:
    if isinstance(values, _Static):
        return values[position]
    return jax.tree.map(lambda leaf: leaf[position], values)


def _label(values: Any, position: int) -> Any:
    if isinstance(values, _Static):
        return values[position]
    return np.asarray(values)[position] if _is_numeric(values, ndim=1) else position


def _is_numeric(values: Any, *, ndim: int) -> bool:
    is_array = isinstance(values, jax.Array | np.ndarray)
    if not is_array or jnp.issubdtype(values.dtype, jax.dtypes.prng_key):
        return False
    return values.ndim == ndim
