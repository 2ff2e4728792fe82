"""From a model and a loss to the function that is minimised, and the one that judges.

    objective(params, batch, key) = loss(train(params, inputs + noise, key), targets)
                                    + penalty(params)
    evaluate(params, dataset)     = loss(apply(params, inputs), targets)

The objective is differentiated, at every step with another key; the evaluation never
is, and knows neither penalty nor noise.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray, PyTree

from funclearn._arrays import (
    as_array,
    as_arrays,
    check_dataset,
    check_real,
    is_narrowed,
    narrowed,
)
from funclearn._checks import check_key, check_not_negative, is_static_number
from funclearn._notes import trainable
from funclearn._types import Batch, Objective, Params, Penalty, Scalar, ScalarLike
from funclearn._words import described
from funclearn.models import Model

__all__ = ["loss_entry", "loss_of", "make_evaluation", "make_objective"]


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
        loss: `(predictions, targets) -> scalar`.
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
    _check_parts(model, loss)
    if penalty is not None and not callable(penalty):
        raise TypeError(
            "penalty must be a function of the parameters, as funclearn.losses.l2(0.1) "
            f"makes; got {described(penalty)}."
        )
    _check_noise(input_noise)
    noiseless = is_static_number(input_noise) and input_noise == 0

    def with_notes(params: Params, batch: Batch, key: Any) -> tuple[Scalar, PyTree]:
        inputs, targets = _read("batch", params, batch)
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
        value = loss(predictions, targets)
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


def make_evaluation(
    model: Model,
    loss: Callable[[Array, Array], Scalar],
    metrics: Mapping[str, Callable[[Array, Array], PyTree]] | None = None,
) -> Callable[[Params, Batch], PyTree]:
    """Joins model and loss to `evaluate(params, dataset)`.

    Args:
        model: its `apply` makes the predictions.
        loss: `(predictions, targets) -> scalar`.
        metrics: further functions of predictions and targets, by name.

    Returns:
        A pure function `(params, dataset) -> loss`; with metrics it returns a
        dictionary of the loss, under `"loss"`, and of every metric.

    Raises:
        TypeError: if `model` is no model, or `loss` or a metric no function; when it is
            called, if the data are no `Dataset` of arrays of numbers.
        ValueError: if a metric is named `"loss"`.

    Example:
        >>> evaluate = fl.make_evaluation(
        ...     fl.models.linear, fl.losses.mse, {"mae": fl.losses.mae}
        ... )
        >>> params = fl.models.LinearParams(jnp.float32(2), jnp.float32(0))
        >>> rows = fl.Dataset(jnp.array([1.0, 2.0]), jnp.array([1.0, 6.0]))
        >>> for name, value in evaluate(params, rows).items():
        ...     print(name, value)
        loss 2.5
        mae 1.5
    """
    _check_parts(model, loss)
    functions = {"loss": loss, **(metrics or {})}
    if metrics is not None and "loss" in metrics:
        raise ValueError('metrics must not contain "loss", the name of the loss.')
    for name, function in functions.items():
        if not callable(function):
            raise TypeError(
                f"metrics[{name!r}] must be a function of predictions and targets; got "
                f"{described(function)}."
            )

    def evaluate(params: Params, dataset: Batch) -> PyTree:
        inputs, targets = _read("dataset", params, dataset)
        predictions = model.apply(params, inputs)
        values = {
            name: function(predictions, targets) for name, function in functions.items()
        }
        return values["loss"] if metrics is None else values

    return evaluate


def _check_parts(model: object, loss: object) -> None:
    if not callable(getattr(model, "apply", None)) or inspect.isclass(model):
        raise TypeError(
            "model must be a funclearn.Model, such as funclearn.models.linear; got "
            f"{described(model)}."
        )
    if not callable(loss):
        raise TypeError(
            "loss must be a function of predictions and targets, such as "
            f"funclearn.losses.mse; got {described(loss)}."
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


def _read(name: str, params: Params, data: Batch) -> tuple[PyTree, PyTree]:
    """Inputs and targets, as JAX's arrays unless the parameters are in float64."""
    check_dataset(name, data)
    data = as_arrays(name, data)
    # Parameters with digits that JAX would drop are there for such inputs.
    if not any(map(is_narrowed, jax.tree.leaves(params))):
        data = narrowed(name, data)
    return data.inputs, data.targets


def _with_noise(key: PyTree, inputs: PyTree, noise: ScalarLike) -> Array:
    inputs = as_array("inputs", inputs)
    check_real("inputs", inputs)
    dtype = jnp.result_type(inputs, float)
    return inputs + noise * jax.random.normal(key, jnp.shape(inputs), dtype)


def loss_entry(evaluation: PyTree) -> PyTree:
    """What stands for the loss in an evaluation, or in evaluations that are stacked.

    Args:
        evaluation: a dictionary, of which it is the entry `"loss"`, None without one;
            or anything else, which it is itself.
    """
    return evaluation.get("loss") if isinstance(evaluation, dict) else evaluation


def loss_of(evaluation: PyTree) -> Scalar | None:
    """The loss within what an evaluation returned.

    Args:
        evaluation: a real scalar, which is the loss; a dictionary with one under
            `"loss"`; or anything else, which has none.

    Returns:
        The loss as a floating-point scalar, or None. A number of mistakes is a loss.
    """
    loss = loss_entry(evaluation)
    if not isinstance(loss, jax.Array | np.ndarray | np.generic | float | int):
        return None
    dtype = jnp.result_type(loss)
    real = jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)
    if jnp.shape(loss) or not real:
        return None
    return jnp.asarray(loss, jnp.result_type(dtype, float))
