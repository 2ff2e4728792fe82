"""A sweep as columns: a row for every run, of its place and its numbers."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._words import named_leaves
from funclearn.stopping import Reason, Rule
from funclearn.sweeps._values import Static, is_numeric, labels

__all__ = ["column_named", "columns_of"]

T = TypeVar("T")


def columns_of(
    result: PyTree, values: Mapping[str, PyTree], axes: Sequence[Sequence[str]]
) -> dict[str, np.ndarray]:
    """Every name, and every part of the result that is one number a run.

    Args:
        result: with the axes of the sweep in front.
        values: by name, what was swept over.
        axes: for every axis the names that vary along it.

    Returns:
        Arrays of one length, by name; the parts of a result have their path, with
        dots. What was not traced is what it is, if that is a number or a string.
    """
    labelled = {name: _labels(name, values[name]) for names in axes for name in names}
    shape = [len(labelled[name]) for name, *_ in axes]
    columns = {
        name: labelled[name][positions.reshape(-1)]
        for names, positions in zip(axes, np.indices(shape), strict=True)
        for name in names
    }
    parts = named_leaves(result, lambda node: isinstance(node, Reason | Rule))
    for path, part in parts.items():
        name = path or "result"
        if isinstance(part, Reason):
            columns[name] = np.asarray(part.name).reshape(-1)
        elif is_numeric(part, ndim=len(shape)):
            columns[name] = _plain(np.asarray(part).reshape(-1))
    return columns


def column_named(name: str, columns: Mapping[str, T], argument: str = "by") -> T:
    """The column of a name, or of the end of one, if that is the end of one alone.

    Args:
        name: the name.
        columns: by theirs.
        argument: what gave it, for the message.

    Raises:
        ValueError: if there is none, or more than one.
    """
    if name in columns:
        return columns[name]
    found = [full for full in columns if full.endswith(f".{name}")]
    if len(found) != 1:
        several = "" if not found else ", which ends several names"
        raise ValueError(
            f"{argument} must be a function, or the name of one of "
            f"{', '.join(columns)}; got {name!r}{several}."
        )
    return columns[found[0]]


def _labels(name: str, values: PyTree) -> np.ndarray:
    if isinstance(values, Static) and all(
        isinstance(value, bool | int | float | str) for value in values
    ):
        kinds = {type(value) for value in values}
        return np.array(values, None if len(kinds) == 1 else object)
    return labels(name, values)


def _plain(column: np.ndarray) -> np.ndarray:
    """The same in a dtype of NumPy's own: tables know no bfloat16."""
    half = jnp.issubdtype(column.dtype, jnp.floating) and column.dtype.kind != "f"
    return column.astype(np.float32) if half else column
