"""Bringing inputs, and targets, to one scale."""

import functools
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from funclearn._checks import leading_length
from funclearn._types import Params
from funclearn.data._dataset import Dataset

__all__ = ["Scaler", "standardise"]

Rows: TypeAlias = Shaped[Array | np.ndarray, "n ..."]
Row: TypeAlias = Float[Array, "*row"]
Numbers: TypeAlias = float | int | Shaped[Array | np.ndarray, "..."]
"""A number for all columns, or one for each."""


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

    input_shift: Numbers = 0.0
    input_scale: Numbers = 1.0
    target_shift: Numbers | None = None
    target_scale: Numbers | None = None

    def __call__(self, dataset: Dataset) -> Dataset:
        """Scales a data set with these numbers."""
        inputs = _scale(dataset.inputs, self.input_shift, self.input_scale)
        if self.target_shift is None and self.target_scale is None:
            return Dataset(inputs, jnp.asarray(dataset.targets))
        return Dataset(inputs, _scale(dataset.targets, *self._of_targets()))

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

    Example:
        >>> train = fl.Dataset(jnp.array([1.0, 2.0, 3.0]), jnp.array([0.0, 1.0, 2.0]))
        >>> scaled, scaler = fl.data.standardise(train)
        >>> print(np.round(scaled.inputs, 3), scaler.input_shift)
        [-1.225  0.     1.225] 2.0
        >>> print(scaler(train._replace(inputs=jnp.full(3, 2.0))).inputs)
        [0. 0. 0.]
    """
    leading_length("train", train)
    scaler = Scaler(*_shift_and_scale(train.inputs))
    if targets:
        shift, scale = _shift_and_scale(train.targets)
        scaler = scaler._replace(target_shift=shift, target_scale=scale)
    return scaler(train), scaler


# Eager code compiles every operation by itself, which takes most of the time of the
# first call. What is compiled together here has the bits of single operations. The rest
# is kept apart: XLA rounds a standard deviation otherwise beside other operations, and
# the quotient of a difference in half precision.
_compiled = functools.partial(jax.jit, inline=True)


def _scale(rows: Rows, shift: Numbers, scale: Numbers) -> Array:
    return _divide(_subtract(rows, shift), scale)


@_compiled
def _subtract(rows: Rows, shift: Numbers) -> Array:
    return jax.vmap(lambda row: row - shift)(rows)


@_compiled
def _divide(rows: Rows, scale: Numbers) -> Array:
    return jax.vmap(lambda row: row / scale)(rows)


def _shift_and_scale(columns: Rows) -> tuple[Row, Row]:
    columns = jnp.asarray(columns, jnp.result_type(columns, float))
    constant, shift, reach = _shift_and_reach(columns)
    deviation = jnp.std(_scale(columns, shift, reach), axis=0)
    return shift, _scale_or_one(constant, reach, deviation)


@_compiled
def _shift_and_reach(
    columns: Float[Array, "n *row"],
) -> tuple[Bool[Array, "*row"], Row, Row]:
    # A constant column's computed deviation is a rounding error, not always zero.
    constant = jnp.max(columns, axis=0) == jnp.min(columns, axis=0)
    shift = jnp.where(constant, columns[0], jnp.mean(columns, axis=0))
    # Deviations are brought to 1 first: their squares could leave the dtype's range.
    reach = jnp.max(jnp.abs(_scale(columns, shift, 1.0)), axis=0)
    return constant, shift, jnp.where(constant, 1.0, reach)


@_compiled
def _scale_or_one(constant: Bool[Array, "*row"], reach: Row, deviation: Row) -> Row:
    return jnp.where(constant, 1.0, reach * deviation)
