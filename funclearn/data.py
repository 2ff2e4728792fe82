"""Data sets as pytrees: where they come from, and how they are split and scaled.

A data set is a pytree of arrays with one leading length, its rows. Everything that
draws takes its key first and gives the same rows for the same key.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Shaped

from funclearn._checks import (
    check_key,
    integer_at_least,
    is_static_number,
    leading_length,
)

__all__ = [
    "Dataset",
    "Scaler",
    "batches",
    "folds",
    "noisy_sine",
    "read_csv",
    "split",
    "standardise",
    "thermometer",
]


class Dataset(NamedTuple):
    """Inputs and the targets that belong to them, row by row.

    Attributes:
        inputs: `(n, ...)`.
        targets: `(n, ...)`.
    """

    inputs: Shaped[Array, "n ..."]
    targets: Shaped[Array, "n ..."]


def thermometer() -> Dataset:
    """Eleven readings of a thermometer in an unknown unit, and the degrees Celsius.

    Returns:
        Inputs `(11,)`, the readings, and targets `(11,)` in °C.

    References:
        Stevens, Antiga, Viehmann, Deep Learning with PyTorch, 2020, section 5.2.
    """
    readings = [35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4]
    celsius = [0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0]
    return Dataset(jnp.asarray(readings), jnp.asarray(celsius))


def noisy_sine(key: PRNGKeyArray, n_samples: int = 32, noise: float = 0.25) -> Dataset:
    """One period of a sine with normal noise, y = sin(πx) + noise · ε.

    Args:
        key: draws the noise.
        n_samples: number of inputs, evenly spaced over [-1, 1].
        noise: standard deviation of the noise.

    Returns:
        Inputs and targets, both `(n_samples, 1)`.

    Raises:
        ValueError: if `n_samples` is less than 1.

    References:
        Neuromatch Academy, Gradient Descent and AutoGrad, section 3.1.
    """
    check_key("key", key)
    n_samples = integer_at_least("n_samples", n_samples, 1)
    inputs = jnp.linspace(-1.0, 1.0, n_samples)[:, None]
    errors = jax.random.normal(key, inputs.shape, inputs.dtype)
    return Dataset(inputs, jnp.sin(jnp.pi * inputs) + noise * errors)


def split(
    key: PRNGKeyArray, dataset: Any, validation_fraction: float = 0.2
) -> tuple[Any, Any]:
    """Splits a data set at random into a training and a validation part.

    Args:
        key: draws the permutation of the rows.
        dataset: a pytree of arrays with one leading length n.
        validation_fraction: the part that validates, `int(fraction * n)` rows.

    Returns:
        The training and the validation part; together they hold every row once.

    Raises:
        TypeError: if the fraction is not a number known at trace time.
        ValueError: if it is not between 0 and 1, or a part would be empty.
    """
    check_key("key", key)
    n_rows = leading_length("dataset", dataset)
    if not is_static_number(validation_fraction):
        raise TypeError(
            "validation_fraction must be a number known at trace time; got "
            f"{validation_fraction!r}."
        )
    if not 0 < validation_fraction < 1:
        raise ValueError(
            f"validation_fraction must be between 0 and 1; got {validation_fraction}."
        )
    n_validation = int(validation_fraction * n_rows)
    if not 0 < n_validation < n_rows:
        raise ValueError(
            f"validation_fraction must leave rows on both sides; {validation_fraction} "
            f"of {n_rows} rows gives {n_validation} to validate with and "
            f"{n_rows - n_validation} to train on."
        )
    order = jax.random.permutation(key, n_rows)
    return (
        take(dataset, order[: n_rows - n_validation]),
        take(dataset, order[n_rows - n_validation :]),
    )


def folds(key: PRNGKeyArray, dataset: Any, n_folds: int) -> Bool[Array, "folds n"]:
    """Deals the rows out at random to folds whose sizes differ by one at most.

    A mask has the same shape for folds of any size, so it can be mapped over; the
    rows that train are `~held_out`.

    Args:
        key: draws the order of the rows.
        dataset: a pytree of arrays with one leading length n.
        n_folds: number of folds, 2 to n.

    Returns:
        One mask a fold, true for the rows that it holds out: every row once in all.

    Raises:
        TypeError: if `n_folds` is not an integer known at trace time.
        ValueError: if `n_folds` is less than 2 or more than n.
    """
    check_key("key", key)
    n_rows = leading_length("dataset", dataset)
    n_folds = integer_at_least("n_folds", n_folds, 2)
    if n_folds > n_rows:
        raise ValueError(
            f"n_folds must be at most the number of rows, {n_rows}; got {n_folds}."
        )
    fold = jax.random.permutation(key, jnp.arange(n_rows) % n_folds)
    return fold[None, :] == jnp.arange(n_folds)[:, None]


def batches(key: PRNGKeyArray, dataset: Any, batch_size: int) -> Iterator[Any]:
    """One epoch of minibatches: every row once, in an order drawn from the key.

    Args:
        key: draws the order.
        dataset: a pytree of arrays with one leading length n.
        batch_size: rows a batch, 1 to n; the last batch holds what is left.

    Returns:
        An iterator over `ceil(n / batch_size)` pytrees like `dataset`.

    Raises:
        TypeError: if `batch_size` is not an integer known at trace time.
        ValueError: if `batch_size` is less than 1 or more than n.
    """
    check_key("key", key)
    n_rows = leading_length("dataset", dataset)
    batch_size = check_batch_size(batch_size, n_rows)
    order = jax.random.permutation(key, n_rows)
    return (
        take(dataset, order[start : start + batch_size])
        for start in range(0, n_rows, batch_size)
    )


def check_batch_size(batch_size: Any, n_rows: int) -> int:
    """Returns `batch_size` as an integer between 1 and the number of rows."""
    batch_size = integer_at_least("batch_size", batch_size, 1)
    if batch_size > n_rows:
        raise ValueError(
            f"batch_size must be at most the number of rows, {n_rows}; got "
            f"{batch_size}."
        )
    return batch_size


def take(dataset: Any, indices: Any) -> Any:
    """The rows of a data set at `indices`, in their order."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[indices], dataset)


class Scaler(NamedTuple):
    """A shift and a scale for the inputs, and one for the targets.

    Calling it scales a data set, (x - shift) / scale. It is a pytree and may be
    traced.

    Attributes:
        input_shift: broadcasts against one row of inputs; in their unit.
        input_scale: the same.
        target_shift: broadcasts against one row of targets; in their unit. None is 0.
        target_scale: the same. None is 1; where both are None, targets keep their
            dtype, as class labels must.
    """

    input_shift: Any = 0.0
    input_scale: Any = 1.0
    target_shift: Any = None
    target_scale: Any = None

    def __call__(self, dataset: Dataset) -> Dataset:
        """Scales a data set with these numbers."""
        inputs = _scale(dataset.inputs, self.input_shift, self.input_scale)
        if self.target_shift is None and self.target_scale is None:
            return Dataset(inputs, jnp.asarray(dataset.targets))
        return Dataset(inputs, _scale(dataset.targets, *self._of_targets()))

    def _of_targets(self) -> tuple[Any, Any]:
        shift, scale = self.target_shift, self.target_scale
        return 0.0 if shift is None else shift, 1.0 if scale is None else scale

    def unscale(self, params: Any) -> Any:
        """Turns a linear model's parameters back into original units.

        With inputs x' = (x - s) / c and targets y' = (y - t) / d, the line
        y' = w' x' + b' is y = w x + b with

            w = d w' / c
            b = d b' + t - s · w.

        Args:
            params: a named tuple with a `weight`, a scalar or `(features,)`, and a
                scalar `bias`, fitted to scaled data.

        Returns:
            The same named tuple, for data in original units.

        Raises:
            TypeError: if `params` has other fields than weight and bias.
        """
        if getattr(params, "_fields", None) != ("weight", "bias"):
            raise TypeError(
                "params must be the parameters of a linear model, a named tuple of "
                f"weight and bias; got {type(params).__name__}."
            )
        shift, scale = self._of_targets()
        weight = scale * params.weight / self.input_scale
        bias = scale * params.bias + shift - jnp.sum(self.input_shift * weight)
        return params._replace(weight=weight, bias=bias)

    def unscale_predictions(self, predictions: Array) -> Array:
        """Turns predictions `(n, ...)` of scaled targets back into original units."""
        shift, scale = self._of_targets()
        return jax.vmap(lambda row: row * scale + shift)(predictions)


def standardise(train: Dataset, *, targets: bool = False) -> tuple[Dataset, Scaler]:
    """Brings every input column to mean 0 and standard deviation 1.

    Fit it on the training part alone, and scale the others with what it returns:
    numbers that validation data had a part in would let them leak into training.

    Args:
        train: inputs `(n,)` or `(n, ...)`; a column is one position in a row. A
            constant column is only shifted.
        targets: whether to standardise the targets too. By default they, and with
            them the loss, keep their unit.

    Returns:
        The scaled data set, and the scaler that made it.

    Raises:
        ValueError: if there are no rows.
    """
    leading_length("train", train)
    scaler = Scaler(*_shift_and_scale(train.inputs))
    if targets:
        shift, scale = _shift_and_scale(train.targets)
        scaler = scaler._replace(target_shift=shift, target_scale=scale)
    return scaler(train), scaler


def _scale(rows: Any, shift: Any, scale: Any) -> Array:
    return jax.vmap(lambda row: (row - shift) / scale)(rows)


def _shift_and_scale(
    columns: Any,
) -> tuple[Float[Array, "*row"], Float[Array, "*row"]]:
    columns = jnp.asarray(columns, jnp.result_type(columns, float))
    # A constant column's computed deviation is a rounding error, not always zero.
    constant = jnp.max(columns, axis=0) == jnp.min(columns, axis=0)
    shift = jnp.where(constant, columns[0], jnp.mean(columns, axis=0))
    # Deviations are brought to 1 first: their squares could leave the dtype's range.
    reach = jnp.max(jnp.abs(_scale(columns, shift, 1.0)), axis=0)
    reach = jnp.where(constant, 1.0, reach)
    deviation = reach * jnp.std(_scale(columns, shift, reach), axis=0)
    return shift, jnp.where(constant, 1.0, deviation)


def read_csv(
    path: str | Path,
    *,
    target: str | int,
    inputs: str | int | Sequence[str | int] | None = None,
    header: bool = True,
) -> Dataset:
    """Reads columns of numbers from a file of comma-separated values.

    Fields may be quoted, and blank lines are skipped. Columns that are not asked for
    may hold anything.

    Args:
        path: the file, in UTF-8.
        target: the target column, by name or by position, counted from 0.
        inputs: the input columns likewise; a single one gives inputs `(n,)`, a
            sequence `(n, columns)`, and None, every column but the target,
            `(n, columns)` too.
        header: whether the first line holds the columns' names. Names may be numbers
            if the target is asked for by its name.

    Returns:
        Inputs and targets `(n,)`, in JAX's default floating-point type.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if a column is missing, named twice or asked for twice, a line has
            another number of fields than the first, there are no rows, a cell is no
            finite number, or the first line looks like data; the message names line,
            column and text.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = list(_numbered_lines(path, file))
    if not lines:
        raise ValueError(f"{path} is empty; it needs at least one line of numbers.")
    width = len(lines[0][1])
    names = tuple(name.strip() for name in lines.pop(0)[1]) if header else None
    if not lines:
        raise ValueError(f"{path} holds a header but no rows.")
    if names and isinstance(target, int) and all(map(_is_number, names)):
        raise ValueError(
            f"{path}, line 1 should hold names but holds numbers alone, "
            f"{','.join(names)}; pass header=False if it is data."
        )

    target_position = _position(path, "target", target, names, width)
    if inputs is None:
        positions = [column for column in range(width) if column != target_position]
        if not positions:
            raise ValueError(f"{path} has one column; inputs need another.")
    else:
        wanted = [inputs] if isinstance(inputs, str | int) else list(inputs)
        positions = [_position(path, "inputs", one, names, width) for one in wanted]
        if not positions:
            raise ValueError("inputs must name at least one column; got none.")
        if len({target_position, *positions}) <= len(positions):
            raise ValueError(
                "inputs must name columns once each, and not the target; got "
                f"{inputs!r} with target {target!r}."
            )

    columns = {
        position: _numbers(path, lines, position, names, width)
        for position in [target_position, *positions]
    }
    table = np.stack([columns[position] for position in positions], axis=1)
    if isinstance(inputs, str | int):
        table = table[:, 0]
    return Dataset(jnp.asarray(table), jnp.asarray(columns[target_position]))


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _numbered_lines(path: Any, file: Any) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, strict=True)
    line = 1
    try:
        for fields in reader:
            if len(fields) > 1 or "".join(fields).strip():
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {line}: {error}.") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: {error}.") from None


def _position(
    path: Any, argument: str, column: Any, names: tuple[str, ...] | None, width: int
) -> int:
    if isinstance(column, str):
        if names is None:
            raise ValueError(
                f"{argument} must be a position where header=False; got {column!r}."
            )
        if names.count(column) != 1:
            raise ValueError(
                f"{argument} must name one column of {path}; {column!r} names "
                f"{names.count(column)} of {', '.join(map(repr, names))}."
            )
        return names.index(column)
    position = integer_at_least(argument, column, 0)
    if position >= width:
        raise ValueError(
            f"{argument} must be less than the number of columns of {path}, {width}; "
            f"got {position}."
        )
    return position


def _numbers(
    path: Any,
    lines: list[tuple[int, list[str]]],
    position: int,
    names: tuple[str, ...] | None,
    width: int,
) -> np.ndarray:
    dtype = jnp.result_type(float)
    column = repr(names[position]) if names else str(position)
    numbers = np.empty(len(lines), dtype)
    for row, (line, fields) in enumerate(lines):
        if len(fields) != width:
            raise ValueError(
                f"{path}, line {line}: {len(fields)} fields where the first line has "
                f"{width}."
            )
        numbers[row] = _finite_number(path, line, column, fields[position], dtype)
    return numbers


def _finite_number(path: Any, line: int, column: str, text: str, dtype: Any) -> float:
    try:
        # Python reads 1_000 as a number; in a table it is a slip.
        number = float(text) if "_" not in text else np.nan
    except ValueError:
        number = np.nan
    if not abs(number) <= float(jnp.finfo(dtype).max):
        raise ValueError(
            f"{path}, line {line}, column {column}: {text!r} is no finite number."
        )
    return number
