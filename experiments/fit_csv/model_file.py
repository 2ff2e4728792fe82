"""The fitted model as a file of plain JSON, and what it predicts for another table."""

import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import funclearn as fl

if TYPE_CHECKING:
    from experiments.fit_csv.chapter import Config

__all__ = [
    "Fitted",
    "Predictions",
    "Unseen",
    "dump",
    "load",
    "predict",
    "predicted",
    "read_unseen",
    "written",
]

FORMAT = "funclearn fit_csv 1"


class Fitted(NamedTuple):
    """All that predictions need.

    Attributes:
        params: of the model, for scaled inputs.
        scaler: of inputs, and in regression of targets.
        encoder: what makes inputs of the rows of a table.
        classes: their names; empty in regression.
    """

    params: Any
    scaler: fl.data.Scaler
    encoder: fl.data.Encoder
    classes: tuple[str, ...]


class Unseen(NamedTuple):
    """Rows of a table to predict the target for.

    Attributes:
        source: the table.
        lines: of the file that the rows begin on.
        inputs: `(rows, columns)`.
        left_out: how many other rows have missing cells, and no prediction.
    """

    source: str
    lines: np.ndarray
    inputs: np.ndarray
    left_out: int


class Predictions(NamedTuple):
    """What a model predicts for the rows of a table.

    Attributes:
        source: the table.
        lines: of the file that the rows begin on.
        values: numbers, or names of classes.
        left_out: how many rows have missing cells, and no prediction.
    """

    source: str
    lines: np.ndarray
    values: np.ndarray
    left_out: int


# The settings that make the model and read tables for it.
SETTINGS = ("task", "model", "degree", "widths", "target", "header")
SETTINGS += ("delimiter", "decimal")


def dump(fitted: Fitted, config: "Config") -> str:
    """Writes a fitted model as JSON: numbers and text, nothing that could be run."""
    leaves = [
        np.asarray(leaf, float).tolist() for leaf in jax.tree.leaves(fitted.params)
    ]
    scaler = [
        None if one is None else np.asarray(one, float).tolist()
        for one in fitted.scaler[:4]
    ]
    encoder = dataclasses.asdict(fitted.encoder)
    encoder["features"] = [one._asdict() for one in fitted.encoder.features]
    content = {
        "format": FORMAT,
        "settings": {name: getattr(config, name) for name in SETTINGS},
        "classes": fitted.classes,
        "encoder": encoder,
        "scaler": scaler,
        "params": leaves,
    }
    return json.dumps(content, ensure_ascii=False, indent=1)


def load(config: "Config", path: Path) -> tuple[Fitted, "Config"]:
    """Reads a fitted model, and the settings that it was made with.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it holds no such model.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}")
        settings = content["settings"]
        settings["widths"] = tuple(settings["widths"])
        config = dataclasses.replace(config, **settings)
        encoder = _encoder(content["encoder"])
        scaler = fl.data.Scaler(*map(_numbers, content["scaler"]))
        classes = tuple(content["classes"])
        model = config.make_model(len(encoder.input_names), len(classes))
        shapes = jax.eval_shape(model.init, jax.random.key(0))
        wanted, structure = jax.tree.flatten(shapes)
        leaves = [
            jnp.asarray(leaf, jnp.result_type(float)) for leaf in content["params"]
        ]
        if [leaf.shape for leaf in leaves] != [leaf.shape for leaf in wanted]:
            raise ValueError("its parameters have other shapes than its model's")
        params = jax.tree.unflatten(structure, leaves)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        raise ValueError(f"{path} holds no model of fit_csv ({reason}).") from None
    return Fitted(params, scaler, encoder, classes), config


def _numbers(content: Any) -> Any:
    return None if content is None else np.asarray(content, float)


def _encoder(content: dict[str, Any]) -> fl.data.Encoder:
    features = tuple(
        fl.data.Feature(
            one["at"],
            None if one["categories"] is None else tuple(one["categories"]),
            tuple(one["mean"]),
        )
        for one in content["features"]
    )
    fields = content | {"features": features, "names": tuple(content["names"])}
    return fl.data.Encoder(**fields)


def read_unseen(encoder: fl.data.Encoder, config: "Config", path: Path) -> Unseen:
    """Reads a table that need not have the target.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if a column or a cell is not as it must be, or no row is whole.
    """
    table = fl.data.read_table(
        path,
        header=config.header,
        delimiter=config.delimiter,
        decimal=config.decimal,
    )
    inputs, rows = encoder.inputs(table)
    if not len(rows):
        raise ValueError(f"{path} has no row without missing cells.")
    lines = np.asarray(table.lines)[rows]
    return Unseen(table.source, lines, inputs, len(table) - len(rows))


def predict(fitted: Fitted, config: "Config", rows: Unseen) -> Predictions:
    """Predicts the target for rows of a table."""
    model = config.make_model(rows.inputs.shape[1], len(fitted.classes))
    values = predicted(model, fitted.params, fitted.scaler, rows.inputs)
    if fitted.classes:
        values = np.array(fitted.classes)[values.argmax(axis=1)]
    return Predictions(rows.source, rows.lines, values, rows.left_out)


def predicted(
    model: fl.Model, params: Any, scaler: fl.data.Scaler, inputs: np.ndarray
) -> np.ndarray:
    """Predictions in the units of the file, or scores of classes `(rows, classes)`."""
    scaled = scaler(fl.Dataset(inputs, np.zeros(len(inputs)))).inputs
    found = np.asarray(model.apply(params, scaled), float)
    shift, scale = scaler.target_shift, scaler.target_scale
    if shift is None or scale is None:
        return found
    return found * np.asarray(scale, float) + np.asarray(shift, float)


def written(predictions: Predictions, target: str) -> str:
    """Predictions as CSV, with the lines of the file that they are for."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("line", target))
    writer.writerows(
        zip(predictions.lines.tolist(), predictions.values.tolist(), strict=True)
    )
    return text.getvalue()
