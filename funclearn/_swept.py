"""What a sweep returns: results with named axes."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funclearn import _tables
from funclearn._checks import leading_length
from funclearn.stopping import Reason, Rule

__all__ = ["Lane", "Static", "Sweep", "length"]


class Lane(NamedTuple):
    """One run of a sweep.

    Attributes:
        point: the arguments that it was called with, by name.
        result: what it returned.
    """

    point: dict[str, Any]
    result: Any


@jax.tree_util.register_static
class Static(tuple):
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
        return tuple(length(name, self.values[name]) for name, *_ in self.axes)

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
            range(n_values)[chosen[axis]] if axis in chosen else slice(None)
            for axis, n_values in enumerate(self.shape)
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
                given = {
                    name: values[name] for name in self.axes[axis] if name in values
                }
                raise ValueError(
                    f"{given} must be at one position of the sweep; it is at "
                    f"{np.flatnonzero(matches).tolist()}. nearest takes any number."
                )
        found = {self.axes[axis][0]: int(np.argmax(x)) for axis, x in equal.items()}
        return self.at(**found)

    def nearest(self, **values: Any) -> "Sweep":
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
        if isinstance(self.values[name], Static):
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

    def _columns(self) -> dict[str, np.ndarray]:
        """Every name, and every part of the result that is one number a run."""
        columns = {
            name: _labels(name, self.values[name])[positions.reshape(-1)]
            for names, positions in zip(self.axes, np.indices(self.shape), strict=True)
            for name in names
        }
        parts = jax.tree_util.tree_leaves_with_path(
            self.result, is_leaf=lambda node: isinstance(node, Reason | Rule)
        )
        for path, part in parts:
            name = jax.tree_util.keystr(path, simple=True, separator=".") or "result"
            if isinstance(part, Reason):
                columns[name] = np.asarray(part.name).reshape(-1)
            elif _is_numeric(part, ndim=len(self.axes)):
                columns[name] = np.asarray(part).reshape(-1)
        return columns

    def __str__(self) -> str:
        """A table: a row for every run, of its place and its numbers."""
        return _tables.plain(self._columns())

    def __rich__(self) -> Any:
        """The same for `rich.print`."""
        return _tables.rich(self._columns())


def length(name: str, values: Any) -> int:
    """The number of values under a name."""
    return len(values) if isinstance(values, Static) else leading_length(name, values)


def _pick(values: Any, position: int) -> Any:
    if isinstance(values, Static):
        return values[position]
    return jax.tree.map(lambda leaf: leaf[position], values)


def _labels(name: str, values: Any) -> np.ndarray:
    if isinstance(values, Static):
        return np.array(list(map(str, values)))
    if _is_numeric(values, ndim=1):
        return np.asarray(values)
    return np.arange(length(name, values))


def _is_numeric(values: Any, *, ndim: int) -> bool:
    is_array = isinstance(values, jax.Array | np.ndarray)
    if not is_array or jnp.issubdtype(values.dtype, jax.dtypes.prng_key):
        return False
    return values.ndim == ndim
