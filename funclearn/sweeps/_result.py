"""What a sweep returns: results with named axes."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn import _tables
from funclearn._checks import check_direction, integer_at_least
from funclearn._words import printed
from funclearn.sweeps._columns import column_named, columns_of
from funclearn.sweeps._places import axis_of, is_equal, numbers_of, one_place
from funclearn.sweeps._scores import scores_of
from funclearn.sweeps._values import labels, length, number_of, pick, position_of, rows

__all__ = ["By", "Lane", "Sweep"]


def _itself(result: PyTree) -> PyTree:
    return result


By: TypeAlias = Callable[[PyTree], PyTree] | str
"""A score, or the name of one."""


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
            for n_values in [self.shape[axis_of(name, self.axes)]]
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
        equal = {
            name: is_equal(name, self.values, value) for name, value in values.items()
        }
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
            numbers = numbers_of(name, self.values)
            number = number_of(name, value)
            if not np.isfinite(number):
                raise ValueError(f"{name} must be a finite number; got {value!r}.")
            # In float64, where unsigned integers have a sign too.
            nearest = np.nanargmin(np.abs(numbers - np.float64(number)))
            matches[name] = np.arange(len(numbers)) == nearest
        return self._where(matches, values)

    def best(self, by: By = _itself, direction: str = "min") -> Lane:
        """The run with the best score, and where it is; NaN is never the best.

        Args:
            by: makes of what one run returned its score, a real scalar; or the name of
                a column of the table, such as `"final.evaluation.accuracy"`, or its
                end, `"accuracy"`. Not needed where a run returned its score. Of a `Run`
                that a rule may have ended score `run.final`, the last row that ran, or
                `run.best`.
            direction: `"min"`, or `"max"` if more is better.

        Raises:
            TypeError: if `by` is neither a function nor a string.
            ValueError: if a score is no real scalar, all are NaN, or one reads rows
                that never ran, so that it is not the run's own; or there is no such
                name or direction.
        """
        scores = self._scores(by, direction)
        if np.all(np.isnan(scores)):
            raise ValueError("best needs a score that is not NaN; all of them are.")
        index = tuple(map(int, np.unravel_index(np.nanargmin(scores), self.shape)))
        result = jax.tree.map(lambda leaf: leaf[index], self.result)
        return Lane(self._point(index), result)

    def sort(self, by: By = _itself, direction: str = "min") -> "Sweep":
        """The same runs along one axis, the best first and those without a score last.

        Arguments and errors are those of `best`.
        """
        scores = self._scores(by, direction)
        return self._in_order(np.argsort(scores, kind="stable"))

    def top(self, n: int, by: By = _itself, direction: str = "min") -> "Sweep":
        """The first `n` runs of `sort`, or all that there are.

        Raises:
            TypeError: if `n` is no integer; and as `best` does.
            ValueError: if it is less than 1; and as `best` does.
        """
        n, ranked = integer_at_least("n", n, 1), self.sort(by, direction)
        return ranked._in_order(np.arange(min(n, *ranked.shape)))

    def to_dict(self) -> dict[str, np.ndarray]:
        """The table, all its rows: columns of one length by their names."""
        return columns_of(self.result, self.values, self.axes)

    def to_pandas(self) -> Any:
        """The table, all its rows, as a `pandas.DataFrame`.

        Raises:
            ImportError: if pandas is not installed.
        """
        import pandas  # which the library does not depend on

        return pandas.DataFrame(self.to_dict())

    def _scores(self, by: By, direction: str) -> np.ndarray:
        """A score for every run, of which less is better."""
        check_direction("direction", direction)
        if isinstance(by, str):
            scores = column_named(by, self.to_dict())
            if scores.dtype.kind not in "biuf":
                raise ValueError(f"by must name a column of numbers; got {by!r}.")
        else:
            scores = scores_of(self.result, self.shape, by, self._place).reshape(-1)
        scores = scores.astype(np.float64)
        return -scores if direction == "max" else scores

    def _in_order(self, order: np.ndarray) -> "Sweep":
        """The runs of some numbers, along one axis."""
        places = np.unravel_index(order, self.shape)
        values = {
            name: rows(self.values[name], positions)
            for names, positions in zip(self.axes, places, strict=True)
            for name in names
        }
        result = jax.tree.map(lambda leaf: leaf[places], self.result)
        return Sweep(result=result, values=values, axes=(tuple(values),))

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
        index = one_place(self.axes, matches, given)
        axes = [names for names in self.axes if not given.keys() & set(names)]
        return Sweep(
            result=jax.tree.map(lambda leaf: leaf[index], self.result),
            values={name: self.values[name] for names in axes for name in names},
            axes=tuple(axes),
        )

    def __str__(self) -> str:
        """A table: a row for every run, of its place and its numbers."""
        return _tables.plain(self.to_dict())

    def __rich__(self) -> object:
        """The same for `rich.print`."""
        return _tables.rich(self.to_dict())

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return _tables.html(self.to_dict())

    _repr_pretty_ = printed
