"""Splits as they are handed over, read as the rows of both of their parts."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PyTree

from funclearn._arrays import is_known
from funclearn._words import described

__all__ = ["Split", "read_splits"]


class Split(NamedTuple):
    """The numbers of the rows to train on, and of those that are held out."""

    training: np.ndarray
    validation: np.ndarray


def read_splits(held_out: Any, train: Any, dataset: PyTree, n_rows: int) -> list[Split]:
    """Reads splits.

    Args:
        held_out: masks; pairs of numbers of rows; or what has a `split` that makes
            such pairs, as scikit-learn's splitters do.
        train: masks of the rows to train on, beside masks; None for all others.
        dataset: a pytree of arrays of one length; a splitter is given its targets.
        n_rows: that length.

    Raises:
        TypeError: if `held_out` is none of these, or masks are not booleans.
        ValueError: if a shape is wrong, a row does not exist, a part is empty, or a
            split trains on a row that it holds out.
    """
    if hasattr(held_out, "__next__"):  # a generator of pairs
        held_out = list(held_out)
    pairs = _pairs(held_out, dataset, n_rows)
    if pairs is None:
        held = _known_masks("held_out", held_out, n_rows)
        trained = ~held if train is None else _known_masks("train", train, n_rows)
        if len(trained) != len(held):
            raise ValueError(
                f"train must have as many splits as held_out, {len(held)}; got "
                f"{len(trained)}."
            )
        pairs = [
            Split(*map(np.flatnonzero, masks))
            for masks in zip(trained, held, strict=True)
        ]
    elif train is not None:
        raise TypeError(
            "train must be None unless held_out is masks; its splits say which rows "
            f"they train on. Got {described(train)}."
        )
    for number, split in enumerate(pairs):
        _check(number, split)
    return pairs


def _check(number: int, split: Split) -> None:
    if not len(split.training) or not len(split.validation):
        raise ValueError(
            "held_out and train must leave rows on both sides of every split; split "
            f"{number} trains on {len(split.training)} and holds out "
            f"{len(split.validation)}."
        )
    both = np.intersect1d(*split)
    if len(both):
        raise ValueError(
            "train and held_out must not share rows, or the validation loss is one of "
            f"training; split {number} trains on {len(both)} of its "
            f"{len(split.validation)} held out rows, such as row {both[0]}."
        )


def _pairs(held_out: Any, dataset: PyTree, n_rows: int) -> list[Split] | None:
    """The splits of a splitter, or of pairs; None where they are neither."""
    if isinstance(held_out, list | tuple):
        made = list(held_out)
        if not made or not all(map(_is_pair, made)):
            return None
    elif hasattr(held_out, "split") and not isinstance(held_out, str):
        made = _of_splitter(held_out, dataset, n_rows)
    else:
        return None
    return [Split(*_numbers(number, pair, n_rows)) for number, pair in enumerate(made)]


def _is_pair(value: Any) -> bool:
    try:
        return len(value) == 2 and all(np.ndim(part) == 1 for part in value)
    except (TypeError, ValueError):
        return False


def _of_splitter(splitter: Any, dataset: PyTree, n_rows: int) -> list[Any]:
    targets: Any = getattr(dataset, "targets", None)
    # Only where there is one number a row can it be a class.
    known = targets is not None and is_known(targets) and np.size(targets) == n_rows
    try:
        labels = np.asarray(targets).reshape(-1) if known else None
        return list(splitter.split(np.zeros((n_rows, 1)), labels))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"held_out could not split the rows: {error} Where it needs more than the "
            "targets, hand over a list of its pairs, list(splitter.split(...))."
        ) from error


def _numbers(number: int, pair: Any, n_rows: int) -> list[np.ndarray]:
    """The numbers of the rows of both parts."""
    parts = []
    for part in pair:
        try:
            rows = np.asarray(part)
        except TypeError:  # it is traced
            rows = np.zeros(0, object)
        if rows.dtype == bool and rows.shape == (n_rows,):
            rows = np.flatnonzero(rows)
        if rows.dtype.kind not in "iu" and (rows.size or rows.dtype == object):
            raise TypeError(
                "held_out must hold pairs of integers, the rows to train on and those "
                f"held out, known at trace time; got {described(part)} in split "
                f"{number}."
            )
        if rows.size and not 0 <= rows.min() <= rows.max() < n_rows:
            raise ValueError(
                f"held_out must hold numbers of rows, 0 to {n_rows - 1}; got "
                f"{rows.min()} to {rows.max()} in split {number}."
            )
        parts.append(rows.astype(np.int64))
    return parts


def _known_masks(name: str, given: Any, n_rows: int) -> np.ndarray:
    masks: Any = np.empty(0)
    try:
        masks = np.asarray(given)
        got = f"{masks.dtype}{masks.shape}"
    except (TypeError, ValueError):  # it is traced, or a list of unequal lists
        got = f"a {type(given).__name__} that is no such array"
    if masks.dtype != bool:
        needed = "an array of booleans, known at trace time"
        if name == "held_out":
            needed += ", a splitter, or a list of pairs of rows"
        raise TypeError(f"{name} must be {needed}; got {got}.")
    if masks.ndim != 2 or masks.shape[1] != n_rows or not len(masks):
        raise ValueError(
            f"{name} must be (splits, {n_rows}), one row a split and one column a "
            f"row of the data set; got {masks.shape}."
        )
    return masks
