"""Bringing inputs, and targets, to one scale.

What comes from NumPy is shifted and scaled in float64 before JAX narrows it: seconds
since 1970 differ from each other in digits that float32 does not have.
"""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._arrays import (
    Arrays,
    as_array,
    as_arrays,
    check_dataset,
    check_real,
    is_known,
    is_narrowed,
)
from funclearn._checks import leading_length
from funclearn._types import Params
from funclearn._weights import check_weights, weights_of
from funclearn.data._dataset import Dataset
from funclearn.data._moments import Numbers, moments, scaled

__all__ = ["Scaler", "standardise"]


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class _Rows:
    """The shapes of single rows; no numbers that could be traced."""

    inputs: tuple[int, ...]
    targets: tuple[int, ...] | None


class Scaler(NamedTuple):
    """A shift and a scale for the inputs, and one for the targets.

    Calling it scales a data set, (x - shift) / scale. It is a pytree and may be
    traced.

    Attributes:
        input_shift: a number for all columns, or numbers of the shape of one row of
            inputs; in their unit.
        input_scale: the same.
        target_shift: the same for one row of targets; in their unit. None is 0.
        target_scale: the same. None is 1; where both are None, targets keep their
            dtype, as class labels must.
        fitted_to: what `standardise` notes of the rows that it saw, so that a scaler
            fitted to one number a row takes no rows of several; None lets a number
            hold for rows of every shape.
    """

    input_shift: Numbers = 0.0
    input_scale: Numbers = 1.0
    target_shift: Numbers | None = None
    target_scale: Numbers | None = None
    fitted_to: _Rows | None = None

    def __call__(self, dataset: Dataset) -> Dataset:
        """Scales a data set with these numbers.

        Raises:
            TypeError: if `dataset` is no data set, or what is to be scaled is not real
                numbers.
            ValueError: if its rows do not have the shape of these numbers.
        """
        check_dataset("dataset", dataset)
        dataset = as_arrays("dataset", dataset)
        fitted = self.fitted_to and self.fitted_to.inputs
        _check_rows("dataset.inputs", dataset.inputs, fitted, *self[:2])
        inputs = scaled(dataset.inputs, self.input_shift, self.input_scale)
        dataset = dataset._replace(inputs=inputs)
        if self.target_shift is None and self.target_scale is None:
            return dataset._replace(targets=_held(dataset.targets))
        numbers = self._of_targets()
        fitted = self.fitted_to and self.fitted_to.targets
        _check_rows("dataset.targets", dataset.targets, fitted, *numbers)
        return dataset._replace(targets=scaled(dataset.targets, *numbers))

    def _of_targets(self) -> tuple[Numbers, Numbers]:
        shift, scale = self.target_shift, self.target_scale
        return 0.0 if shift is None else shift, 1.0 if scale is None else scale

    def unscale(self, params: Params) -> Params:
        """Turns a linear model's parameters back into original units.

        With inputs x' = (x - s) / c and targets y' = (y - t) / d, the line
        y' = w' x' + b' is y = w x + b with

            w = d w' / c
            b = d b' + t - s · w.

        Args:
            params: a named tuple with a `weight`, a scalar or `(features,)`, and a
                scalar `bias`, fitted to scaled data.

        Returns:
            The same named tuple, for data in original units; in float64 of NumPy's
            where the scaler was fitted to NumPy's arrays and nothing is traced.

        Raises:
            TypeError: if `params` has other fields than weight and bias.
            ValueError: if the weight does not have the shape of one row of inputs, or
                there is more than one column of targets.
        """
        if getattr(params, "_fields", None) != ("weight", "bias"):
            raise TypeError(
                "params must be the parameters of a linear model, a named tuple of "
                f"weight and bias; got {type(params).__name__}."
            )
        numbers = (*self[:2], *self._of_targets())
        exact = self._in_float64(params)
        if exact:
            numbers, params = jax.tree.map(_in_float64, (numbers, params))
        weight, bias = params
        shape = jnp.shape(weight)
        origin, unit = (_as_shape("the weight", shape, one) for one in numbers[:2])
        shift, scale = (_as_shape("a prediction", (), one) for one in numbers[2:])
        weight = scale * weight / unit
        bias = scale * bias + shift - (origin * weight).sum()
        line = params._replace(weight=weight, bias=bias)
        return jax.tree.map(_in_float64, line) if exact else line

    def unscale_predictions(self, predictions: Arrays) -> Arrays:
        """Turns predictions `(n, ...)` of scaled targets back into original units.

        Returns:
            The predictions; in float64 of NumPy's where the scaler was fitted to
            NumPy's arrays and nothing is traced.

        Raises:
            TypeError: if the predictions are no array of real numbers.
            ValueError: if their rows do not have the shape of those of the targets.
        """
        shift, scale = self._of_targets()
        predictions = as_array("predictions", predictions)
        fitted = self.fitted_to and self.fitted_to.targets
        _check_rows("predictions", predictions, fitted, shift, scale)
        if self._in_float64(predictions):
            return _in_float64(_in_float64(predictions) * scale + shift)
        return jax.vmap(lambda row: row * scale + shift)(predictions)

    def _in_float64(self, values: PyTree) -> bool:
        """Whether these numbers have digits that JAX would drop."""
        numbers = any(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(self))
        return numbers and is_known((self, values))


def standardise(train: Dataset, *, targets: bool = False) -> tuple[Dataset, Scaler]:
    """Brings every input column to mean 0 and standard deviation 1.

    Fit it on the training part alone, and scale the others with what it returns:
    numbers that validation data had a part in would let them leak into training.

    Args:
        train: inputs `(n,)` or `(n, ...)`; a column is one position in a row. A
            constant column is only shifted. If it has weights, the mean and the
            deviation are those of what counts.
        targets: whether to standardise the targets too. By default they, and with
            them the loss, keep their unit.

    Returns:
        The scaled data set, and the scaler that made it. Arrays of NumPy's are scaled
        in float64, and so are others that the scaler is given; then they become JAX's.

    Raises:
        TypeError: if `train` is no data set of real numbers.
        ValueError: if there are no rows, or columns of NumPy's have no mean: values
            are not finite, or integers too large for float64 to tell them apart.

    Example:
        >>> train = fl.Dataset(jnp.array([1.0, 2.0, 3.0]), jnp.array([0.0, 1.0, 2.0]))
        >>> scaled, scaler = fl.data.standardise(train)
        >>> print(np.round(scaled.inputs, 3), scaler.input_shift)
        [-1.225  0.     1.225] 2.0
        >>> print(scaler(train._replace(inputs=jnp.full(3, 2.0))).inputs)
        [0. 0. 0.]
    """
    check_dataset("train", train)
    train = as_arrays("train", train)
    leading_length("train", train)
    check_weights("train", train)
    weights = weights_of(train)
    check_real("train.inputs", train.inputs)
    of_targets = jnp.shape(train.targets)[1:] if targets else None
    rows = _Rows(train.inputs.shape[1:], of_targets)
    scaler = Scaler(*moments("train.inputs", train.inputs, weights), fitted_to=rows)
    if targets:
        check_real("train.targets", train.targets)
        shift, scale = moments("train.targets", train.targets, weights)
        scaler = scaler._replace(target_shift=shift, target_scale=scale)
    return scaler(train), scaler


def _in_float64(number: Numbers) -> np.ndarray:
    # An array even of one number, which would be one without a shape otherwise.
    return np.asarray(number, np.float64)


def _held(targets: Arrays) -> Arrays:
    return targets if is_narrowed(targets) else jnp.asarray(targets)


def _check_rows(
    name: str, rows: Arrays, fitted: tuple[int, ...] | None, *numbers: Numbers
) -> None:
    check_real(name, rows)
    got = jnp.shape(rows)[1:]
    for needed in map(jnp.shape, numbers):
        if needed not in ((), got) or fitted not in (None, got):
            raise ValueError(
                f"{name} must have rows of shape {needed}, as the scaler's numbers "
                f"have; got rows of shape {got}, which NumPy's rules would broadcast "
                "or refuse."
            )


def _as_shape(name: str, shape: tuple[int, ...], number: Numbers) -> Numbers:
    got = jnp.shape(number)
    # A single column may be written (n,) and (n, 1), its weight a scalar or (1,).
    if math.prod(got) == math.prod(shape) == 1:
        reshape = jnp.reshape if isinstance(number, jax.Array) else np.reshape
        return reshape(number, shape)
    if got not in ((), shape):
        raise ValueError(
            f"params must fit the scaler, whose numbers have the shape {got}; got "
            f"{name} of shape {shape}."
        )
    return number
