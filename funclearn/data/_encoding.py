"""Tables as data sets: gaps are filled and texts numbered as training rows say."""

import dataclasses
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from funclearn.data._dataset import Dataset
from funclearn.data._table import Table
from funclearn.data._table_cells import shown
from funclearn.data._table_names import Column, Columns, Header
from funclearn.data._table_values import (
    categories_of,
    check_missing,
    codes_of,
    numbers_of,
    one_hot,
    place,
)

__all__ = ["Encoder", "Feature", "check_choices", "encode", "encode_at"]

_MISSING = ("refuse", "drop", "mean")
_CATEGORIES = ("refuse", "one-hot")

Inputs: TypeAlias = Float[np.ndarray, "n ..."]
Mask: TypeAlias = Bool[np.ndarray, " n"]


class Feature(NamedTuple):
    """What training rows say about a column of inputs.

    Attributes:
        at: its position in their table.
        categories: the distinct texts in sorted order; None for a column of numbers.
        mean: what a missing cell is filled with: the mean, or the categories' shares;
            empty where none is filled.
    """

    at: int
    categories: tuple[str, ...] | None = None
    mean: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encoder:
    """Turns tables into data sets by what it learned from training rows.

    A text that no training row has is no category: its zeros and ones are all zero.

    Attributes:
        names: the columns of the training table.
        target: the target's position among them.
        features: the columns of inputs.
        classes: the texts of the target, by the numbers they become; None for a target
            of numbers.
        single: whether inputs are `(n,)`.
        missing: what becomes of missing cells, as in `encode`.
    """

    names: tuple[Column, ...]
    target: int
    features: tuple[Feature, ...]
    classes: tuple[str, ...] | None
    single: bool
    missing: str

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the columns of inputs; "kind=cat" where texts became columns."""
        return tuple(
            name if one is None else f"{name}={one}"
            for at, categories, _ in self.features
            for name in [str(self.names[at])]
            for one in categories or [None]
        )

    def __call__(self, table: Table) -> Dataset:
        """Makes a data set of the rows of a table with the same columns.

        Raises:
            ValueError: if a column is missing, or a cell cannot be used; the message
                names line, column and text.
        """
        inputs, complete = self._inputs(table)
        targets, known = self._targets(table)
        kept = complete & known
        if kept.all():
            return Dataset(inputs, targets)
        if not kept.any():
            raise ValueError(f"{table.source} has no row without missing cells.")
        return Dataset(inputs[kept], targets[kept])

    def inputs(self, table: Table) -> tuple[Inputs, Int[np.ndarray, " n"]]:
        """Makes inputs of the rows of a table, which needs no target.

        Returns:
            The inputs, and the numbers of the rows that they belong to. Rows with
            missing cells are left out if `missing` is "drop".

        Raises:
            ValueError: as calling it does.
        """
        inputs, complete = self._inputs(table)
        return inputs[complete], np.flatnonzero(complete)

    def _inputs(self, table: Table) -> tuple[Inputs, Mask]:
        parts, complete = [], np.ones(len(table), bool)
        for feature in self.features:
            at = self._position(table, feature.at)
            values = _columns(table, at, feature.categories)
            if feature.mean:
                values = np.where(np.isnan(values), feature.mean, values)
            elif self.missing == "refuse":
                check_missing(table, at)
            else:
                complete &= ~np.isnan(values[:, 0])
            parts.append(values)
        columns = np.concatenate(parts, axis=1)
        return columns[:, 0] if self.single else columns, complete

    def _targets(self, table: Table) -> tuple[Shaped[np.ndarray, " n"], Mask]:
        at = self._position(table, self.target)
        if self.missing == "refuse":
            check_missing(table, at)
        if self.classes is None:
            values = numbers_of(table, at)
            return values, ~np.isnan(values)
        found = codes_of(table, at, self.classes)
        if (found == -1).any():
            row = int(np.argmax(found == -1))
            raise ValueError(
                f"{place(table, row, at)}: {shown(str(table[at][row]))} is no class of "
                f"the training rows, {', '.join(map(shown, self.classes[:12]))}."
            )
        return found, found >= 0

    def _position(self, table: Table, at: int) -> int:
        if table.names == self.names:
            return at
        return Header(table.source, table.names).position("path", self.names[at])


def encode(
    train: Table,
    *,
    target: Column,
    inputs: Columns = None,
    missing: str = "refuse",
    categories: str = "refuse",
) -> tuple[Dataset, Encoder]:
    """Makes a data set of training rows, and what makes others of the same columns.

    Args:
        train: the training rows; means and categories are theirs.
        target: the target column, by name or by position.
        inputs: the input columns, as in `read_csv`.
        missing: what becomes of missing cells: "refuse", "drop" (leaves out their
            rows), or "mean" (fills in the mean of the training rows; for texts their
            shares). Rows without a target are left out either way.
        categories: what becomes of columns of text: "refuse" or "one-hot". A target of
            text becomes numbers of classes.

    Returns:
        The data set, and the encoder that made it; `encoder(other)` encodes another
        table with the same numbers.

    Raises:
        ValueError: as `read_csv` does.
    """
    check_choices(missing, categories)
    at, others = Header(train.source, train.names).choose(target, inputs)
    single = isinstance(inputs, str | int)
    return encode_at(train, at, others, single, missing, categories)


def encode_at(
    train: Table,
    target: int,
    inputs: list[int],
    single: bool,
    missing: str,
    categories: str,
) -> tuple[Dataset, Encoder]:
    """As `encode`, with columns by their positions."""
    texts = categories != "refuse"
    if missing == "refuse":
        for at in [target, *inputs]:
            check_missing(train, at)
    features = tuple(_learned(train, at, texts, missing == "mean") for at in inputs)
    encoder = Encoder(
        names=train.names,
        target=target,
        features=features,
        classes=categories_of(train, target) if texts else None,
        single=single and features[0].categories is None,
        missing=missing,
    )
    return encoder(train), encoder


def check_choices(missing: object, categories: object) -> None:
    """Refuses unknown choices.

    Raises:
        ValueError: if one of them is none of those that there are.
    """
    if missing not in _MISSING:
        raise ValueError(
            f"missing must be one of {', '.join(_MISSING)}; got {missing!r}."
        )
    if categories not in (*_CATEGORIES, "one_hot"):
        raise ValueError(
            f"categories must be one of {', '.join(_CATEGORIES)}; got {categories!r}."
        )


def _learned(train: Table, at: int, texts: bool, mean: bool) -> Feature:
    categories = categories_of(train, at) if texts else None
    if not mean:
        return Feature(at, categories)
    values = _columns(train, at, categories)
    known = values[~np.isnan(values[:, 0])]
    if not len(known):
        raise ValueError(
            f"{train.source}: column {train.names[at]!r} is empty in all "
            f"{len(train)} rows; leave it out with inputs."
        )
    return Feature(at, categories, tuple(np.mean(known, axis=0).tolist()))


def _columns(
    table: Table, at: int, categories: tuple[str, ...] | None
) -> Float[np.ndarray, "n columns"]:
    if categories is None:
        return numbers_of(table, at)[:, None]
    return one_hot(table, at, categories)
