"""What a sweep returns: results with named axes."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn import _tables
from funclearn.stopping import Reason, Rule
from funclearn.sweeps._scores import scores_of
from funclearn.sweeps._values import (
    Static,
    is_numeric,
    labels,
    length,
    number_of,
    pick,
    position_of,
)

__all__ = ["Lane", "Sweep"]


class Lane(NamedTuple):
    """One run of a sweep.

    Attributes:
        point: the arguments that it was called with, by name.
        result: what it returned.
    """

    point: dict[str, PyTree]
    result: PyTree


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("result", "values"),
    meta_fields=("axes",),
)
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """What the runs of a sweep returned, with the names of its axes.

    `print` writes it as a table of all that is one number a run, `rich.print` in colour
    where it writes to a terminal, and a notebook shows it as such.

    Attributes:
        result: a pytree as the run returned it; the leaves have the sweep's axes in
            front.
        values: by name, what was swept over.
        axes: for every axis the names that vary along it: one in a product of axes,
            all in a zipped sweep.
    """

    result: PyTree
    values: dict[str, PyTree]
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
            TypeError: if a position is no integer.
            ValueError: if a name is not one of the sweep's, or zipped names are at
                different positions.
            IndexError: if there is no such position.
        """
        matches = {
            name: np.arange(n_values) == position_of(name, position, n_values)
            for name, position in positions.items()
            for n_values in [self.shape[self._axis(name)]]
        }
        return self._where(matches, positions)

    def select(self, **values: object) -> "Sweep":
        """The runs with some values, whose axes the result then lacks.

        Args:
            values: by name, equal to a value of the sweep but for rounding. Of zipped
                names as many as tell the run from all others.

        Raises:
            TypeError: if a value is no number, and those of the sweep are.
            ValueError: if no value of the sweep is equal, or several are.
        """
        equal = {name: self._is_equal(name, value) for name, value in values.items()}
        return self._where(equal, values)

    def nearest(self, **values: object) -> "Sweep":
        """The runs with the values nearest to some, whose axes the result then lacks.

        Args:
            values: by name, finite numbers. Zipped names must be nearest to theirs at
                one position.

        Raises:
            TypeError: if a value is no number.
            ValueError: if it is not finite, or zipped names are at different positions.
        """
        matches = {}
        for name, value in values.items():
            numbers, number = self._numbers(name), number_of(name, value)
            if not np.isfinite(number):
                raise ValueError(f"{name} must be a finite number; got {value!r}.")
            # In float64, where unsigned integers have a sign too.
            nearest = np.nanargmin(np.abs(numbers - np.float64(number)))
            matches[name] = np.arange(len(numbers)) == nearest
        return self._where(matches, values)

    def best(self, by: Callable[[PyTree], PyTree] = lambda result: result) -> Lane:
        """The run with the lowest score, and where it is; NaN is never the lowest.

        Args:
            by: makes of what one run returned its score, a real scalar; not needed
                where it returned one. Of a `Run` that a rule may have ended score
                `run.final`, the last row that ran, or `run.best`.

        Raises:
            TypeError: if `by` is no function.
            ValueError: if a score is no real scalar, all are NaN, or one reads rows
                that never ran, so that it is not the run's own.
        """
        scores = scores_of(self.result, self.shape, by, self._place)
        if np.all(np.isnan(scores)):
            raise ValueError("best needs a score that is not NaN; all of them are.")
        best = np.unravel_index(np.nanargmin(scores), scores.shape)
        index = tuple(map(int, best))
        result = jax.tree.map(lambda leaf: leaf[index], self.result)
        return Lane(self._point(index), result)

    def _point(self, index: Sequence[int]) -> dict[str, PyTree]:
        """The arguments of the run at a position along every axis."""
        return {
            name: pick(self.values[name], position)
            for names, position in zip(self.axes, index, strict=True)
            for name in names
        }

    def _place(self, index: Sequence[int]) -> str:
        """The same in words."""
        return ", ".join(
            f"{name}={_tables.text(labels(name, self.values[name])[position])}"
            for names, position in zip(self.axes, index, strict=True)
            for name in names
        )

    def _where(
        self, matches: dict[str, np.ndarray], given: Mapping[str, object]
    ) -> "Sweep":
        """The runs at the one position of every axis where all its names match."""
        index: list[int | slice] = [slice(None)] * len(self.axes)
        for axis, names in enumerate(self.axes):
            asked = {name: given[name] for name in names if name in given}
            if not asked:
                continue
            found = np.flatnonzero(np.all([matches[name] for name in asked], axis=0))
            if len(found) != 1:
                raise ValueError(
                    f"{asked} must be at one position of the sweep; it is at "
                    f"{found.tolist()}."
                )
            index[axis] = int(found[0])
        axes = [names for names in self.axes if not given.keys() & set(names)]
        return Sweep(
            result=jax.tree.map(lambda leaf: leaf[tuple(index)], self.result),
            values={name: self.values[name] for names in axes for name in names},
            axes=tuple(axes),
        )

    def _axis(self, name: str) -> int:
        for axis, names in enumerate(self.axes):
            if name in names:
                return axis
        known = ", ".join(name for names in self.axes for name in names) or "none left"
        raise ValueError(f"{name!r} must be an axis of the sweep; it has {known}.")

    def _is_equal(self, name: str, value: Any) -> np.ndarray:
        if isinstance(self.values.get(name), Static):
            return np.array([one == value for one in self.values[name]])
        numbers = self._numbers(name)
        number_of(name, value)
        if not jnp.issubdtype(numbers.dtype, jnp.floating):
            return numbers == value
        # Values that were computed in their own precision and ones that were typed in
        # differ by a few roundings.
        tolerance = 4 * float(jnp.finfo(numbers.dtype).eps)
        return np.isclose(numbers, value, rtol=tolerance, atol=0)

    def _numbers(self, name: str) -> np.ndarray:
        self._axis(name)
        values = self.values[name]
        if not is_numeric(values, ndim=1):
            raise ValueError(f"{name} holds no numbers to compare; at takes positions.")
        return np.asarray(values)

    def _columns(self) -> dict[str, np.ndarray]:
        """Every name, and every part of the result that is one number a run."""
        columns = {
            name: labels(name, self.values[name])[positions.reshape(-1)]
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
            elif is_numeric(part, ndim=len(self.axes)):
                columns[name] = np.asarray(part).reshape(-1)
        return columns

    def __str__(self) -> str:
        """A table: a row for every run, of its place and its numbers."""
        return _tables.plain(self._columns())

    def __rich__(self) -> object:
        """The same for `rich.print`."""
        return _tables.rich(self._columns())

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return _tables.html(self._columns())
