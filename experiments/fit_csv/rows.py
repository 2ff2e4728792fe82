"""The rows of the file: read, and dealt out to training, validation and test."""

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

import funclearn as fl

if TYPE_CHECKING:
    from experiments.fit_csv.chapter import Config

__all__ = ["Parts", "check_cells", "deal", "read"]


class Parts(NamedTuple):
    """Data sets of training rows and others, `(rows, columns)` and `(rows,)`.

    Attributes:
        data: "training", "validation" and, if there is one, "test".
        encoder: what makes inputs of rows, as it was learned from the training rows.
    """

    data: dict[str, fl.Dataset]
    encoder: fl.data.Encoder


def read(config: "Config") -> tuple[fl.data.Table, tuple[str, ...]]:
    """Reads the file, and the names of the classes if there are any.

    A target of classes becomes their numbers, in sorted order.
    """
    table = fl.data.read_table(
        config.path,
        header=config.header,
        delimiter=config.delimiter,
        decimal=config.decimal,
    )
    if config.task == "regression":
        return table, ()
    target = config.column(config.target)
    column = table[target]
    at = target if isinstance(target, int) else table.names.index(target)
    if table.labels[at] is None:
        known = np.unique(column[~np.isnan(column)])
        fractional = known[known != np.round(known)]
        if len(fractional):
            raise ValueError(
                f"{table.source}: column {target!r} holds {fractional[0]:g}, which "
                "names no class; a number to predict asks for --task regression."
            )
        classes = [f"{one:.0f}" for one in known]
        numbers = np.where(np.isnan(column), np.nan, np.searchsorted(known, column))
    else:
        classes = sorted({text for text in column if text is not None})
        numbered = {None: np.nan} | {text: n for n, text in enumerate(classes)}
        numbers = np.array([numbered[text] for text in column], float)
    _check_classes(table, target, classes)
    values, labels = list(table.values), list(table.labels)
    values[at], labels[at] = numbers, None
    return dataclasses.replace(
        table, values=tuple(values), labels=tuple(labels)
    ), tuple(classes)


def _check_classes(table: fl.data.Table, target: str | int, classes: list[str]) -> None:
    if len(classes) < 2:
        found = f"{classes[0]!r} alone" if classes else "none"
        raise ValueError(
            f"{table.source}: column {target!r} must hold at least 2 classes; got "
            f"{found}."
        )
    if len(classes) > max(20, len(table) / 2):
        raise ValueError(
            f"{table.source}: column {target!r} holds {len(classes)} different values "
            f"in {len(table)} rows: too many for classes."
        )


def deal(table: fl.data.Table, config: "Config", key: jax.Array) -> Parts:
    """Splits the rows at random, and learns from the training part how to encode them.

    The test part is the same whatever the key.
    """
    rest, test = table, None
    if config.test_fraction:
        test_key = jax.random.fold_in(jax.random.key(config.seed), 1)
        rest, test = fl.data.split(test_key, table, config.test_fraction)
    training, validation = fl.data.split(key, rest, config.validation_fraction)
    trained, encoder = fl.data.encode(
        training,
        target=config.column(config.target),
        inputs=config.columns(),
        missing=config.missing,
        categories=config.categories,
    )
    data = {"training": trained, "validation": encoder(validation)}
    return Parts(data if test is None else data | {"test": encoder(test)}, encoder)


def check_cells(table: fl.data.Table, config: "Config") -> None:
    """Refuses cells of any row that no part could use, and texts for numbers."""
    target = config.column(config.target)
    texts = [one for one in table[target] if isinstance(one, str)]
    if texts and not any(map(_is_number, texts)):
        raise ValueError(
            f"{table.source}: column {target!r} holds text, as {texts[0]!r}; classes "
            "ask for --task classification."
        )
    fl.data.encode(
        table,
        target=target,
        inputs=config.columns(),
        missing=config.missing,
        categories=config.categories,
    )


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False
