"""The function that is minimised."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray, PyTree

from funclearn._arrays import as_array, check_real
from funclearn._checks import check_key, check_not_negative, is_static_number
from funclearn._notes import own as without_averages
from funclearn._notes import trainable
from funclearn._types import Batch, Objective, Params, Penalty, Scalar, ScalarLike
from funclearn._words import described
from funclearn.models import Model
from funclearn.objectives._parts import check_parts, read, weighed

__all__ = ["make_objective"]


def make_objective(
    model: Model,
    loss: Callable[[Array, Array], Scalar],
    *,
    penalty: Penalty | None = None,
    input_noise: ScalarLike = 0.0,
) -> Objective:
    """Joins model, loss, penalty and input noise to `objective(params, batch, key)`.

    Args:
        model: its `apply` makes the predictions.
        loss: `(predictions, targets) -> scalar`; of data with weights it is given them
            as `weights`.
        penalty: `params -> scalar`, added to the loss; `funclearn.losses.l2`, say.
        input_noise: standard deviation of the normal noise that is added to the
            inputs, in their unit; drawn anew from the key at every call.

    Returns:
        A pure function `(params, batch, key) -> scalar`, where the batch has the
        fields of a `funclearn.Dataset`. Without input noise, and of a model that does
        not draw, the key is ignored and may be None. A model's own `train` is given
        the key itself, and `jax.random.fold_in(key, 1)` where there is input noise,
        which draws from the key. The objective of such a model has an attribute
        `with_notes`, the function `(params, batch, key) -> (scalar, notes)`.

    Raises:
        ValueError: if `input_noise` is negative.
        TypeError: if `model` is no model, `loss` or `penalty` no function, or
            `input_noise` no number; when the objective is called, if the batch is no
            `Dataset` of arrays of numbers, or there is noise but no typed key, or
            inputs that are not real numbers.

    Example:
        >>> objective = fl.make_objective(
        ...     fl.models.linear, fl.losses.mse, penalty=fl.losses.l2(0.5)
        ... )
        >>> params = fl.models.LinearParams(jnp.float32(2), jnp.float32(0))
        >>> batch = fl.Dataset(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0]))
        >>> print(objective(params, batch, None))  # (1 + 0) / 2 + 0.5 * 4
        2.5
    """
    check_parts(model, loss)
    _check_penalty(penalty)
    _check_noise(input_noise)
    noiseless = is_static_number(input_noise) and input_noise == 0

    def with_notes(params: Params, batch: Batch, key: Any) -> tuple[Scalar, PyTree]:
        params = without_averages(params)
        inputs, targets, weights = read("batch", params, batch)
        if not noiseless or model.train is not None:
            check_key("key", key)
        if not noiseless:
            inputs = _with_noise(key, inputs, input_noise)
        notes = None
        if model.train is None:
            predictions = model.apply(params, inputs)
        else:
            own = key if noiseless else jax.random.fold_in(key, 1)
            predictions, notes = model.train(params, inputs, own)
        value = weighed("loss", loss, weights)(predictions, targets)
        if penalty is not None:
            value = value + penalty(trainable(params))
        return value, notes

    if model.train is not None:
        return _Noting(with_notes)

    def objective(params: Params, batch: Batch, key: PRNGKeyArray | None) -> Scalar:
        return with_notes(params, batch, key)[0]

    return objective


@dataclasses.dataclass(frozen=True)
class _Noting:
    """The objective of a model that takes notes.

    Attributes:
        with_notes: `(params, batch, key) -> (scalar, notes)`.
    """

    with_notes: Callable[..., tuple[Scalar, PyTree]]

    def __call__(self, params: Params, batch: Batch, key: PRNGKeyArray) -> Scalar:
        """The scalar alone."""
        return self.with_notes(params, batch, key)[0]


def _check_penalty(penalty: object) -> None:
    if penalty is not None and not callable(penalty):
        raise TypeError(
            "penalty must be a function of the parameters, as funclearn.losses.l2(0.1) "
            f"makes; got {described(penalty)}."
        )


def _check_noise(noise: object) -> None:
    if isinstance(noise, jax.Array | np.ndarray):
        if jnp.shape(noise):
            raise ValueError(
                f"input_noise must be one number for all columns; got {noise.shape}."
            )
    elif not is_static_number(noise):
        raise TypeError(f"input_noise must be a number; got {described(noise)}.")
    check_not_negative("input_noise", noise)


def _with_noise(key: PyTree, inputs: PyTree, noise: ScalarLike) -> Array:
    inputs = as_array("inputs", inputs)
    check_real("inputs", inputs)
    dtype = jnp.result_type(inputs, float)
    return inputs + noise * jax.random.normal(key, jnp.shape(inputs), dtype)
