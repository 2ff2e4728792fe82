"""From a model and a loss to the function that is minimised, and the one that judges.

    objective(params, batch, key) = loss(apply(params, inputs + noise), targets)
                                    + penalty(params)
    evaluate(params, dataset)     = loss(apply(params, inputs), targets)

The objective is differentiated, at every step with another key; the evaluation never
is, and knows neither penalty nor noise.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from funclearn._checks import check_key, is_static_number
from funclearn._types import Batch, Objective, Params, Penalty, Scalar, ScalarLike
from funclearn.models import Model

__all__ = ["make_evaluation", "make_objective"]


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
        fields of a `funclearn.Dataset`. Without input noise the key is ignored and may
        be None.

    Raises:
        ValueError: if `input_noise` is negative.
        TypeError: when the objective is called with noise and no typed key.
    """
    if is_static_number(input_noise) and not input_noise >= 0:
        raise ValueError(f"input_noise must not be negative; got {input_noise}.")
    noiseless = is_static_number(input_noise) and input_noise == 0

    def objective(params: Params, batch: Batch, key: PRNGKeyArray | None) -> Scalar:
        inputs = batch.inputs
        if not noiseless:
            check_key("key", key)
            inputs = _with_noise(key, inputs, input_noise)
        value = loss(model.apply(params, inputs), batch.targets)
        return value if penalty is None else value + penalty(params)

    return objective


def make_evaluation(
    model: Model,
    loss: Callable[[Array, Array], Scalar],
    metrics: Mapping[str, Callable[[Array, Array], Any]] | None = None,
) -> Callable[[Params, Batch], Any]:
    """Joins model and loss to `evaluate(params, dataset)`.

    Args:
        model: its `apply` makes the predictions.
        loss: `(predictions, targets) -> scalar`.
        metrics: further functions of predictions and targets, by name.

    Returns:
        A pure function `(params, dataset) -> loss`; with metrics it returns a
        dictionary of the loss, under `"loss"`, and of every metric.

    Raises:
        ValueError: if a metric is named `"loss"`.
    """
    if metrics is None:
        return lambda params, dataset: loss(
            model.apply(params, dataset.inputs), dataset.targets
        )
    if "loss" in metrics:
        raise ValueError('metrics must not contain "loss", the name of the loss.')
    functions = {"loss": loss, **metrics}

    def evaluate(params: Params, dataset: Batch) -> dict[str, Any]:
        predictions = model.apply(params, dataset.inputs)
        return {
            name: function(predictions, dataset.targets)
            for name, function in functions.items()
        }

    return evaluate


def _with_noise(key: Any, inputs: Array, noise: ScalarLike) -> Array:
    dtype = jnp.result_type(inputs, float)
    return inputs + noise * jax.random.normal(key, jnp.shape(inputs), dtype)
