"""What objectives and evaluations are made of, and how they read data."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from funclearn._arrays import as_arrays, check_dataset, is_narrowed, narrowed
from funclearn._signatures import takes_keyword
from funclearn._types import Batch, Params
from funclearn._weights import weights_of, without
from funclearn._words import described

__all__ = ["check_parts", "read", "weighed"]


def check_parts(model: object, loss: object) -> None:
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


def weighed(
    name: str, function: Callable[..., Any], weights: PyTree
) -> Callable[[PyTree, PyTree], Any]:
    """A loss or a metric that is given the weights of the data, if there are any.

    Raises:
        TypeError: if it does not take them.
    """
    if weights is None:
        return function
    if not takes_keyword(function, "weights"):
        raise TypeError(
            f"{name} must take a keyword weights, as the losses and metrics of "
            "funclearn do, since the data have weights, or rows that were added for "
            "devices or blocks to divide them (funclearn.losses.mean_of makes a loss "
            f"that does); got {described(function)}."
        )
    return lambda predictions, targets: function(predictions, targets, weights=weights)


def read(name: str, params: Params, data: Batch) -> tuple[PyTree, PyTree, PyTree]:
    """Inputs, targets, weights, as JAX's arrays unless parameters are in float64."""
    check_dataset(name, data)
    data = as_arrays(name, data)
    # Parameters with digits that JAX would drop are there for such inputs.
    if not any(map(is_narrowed, jax.tree.leaves(params))):
        data = narrowed(name, data)
    weights = weights_of(data)
    return _of_rows_that_count(data.inputs, weights), data.targets, weights


def _of_rows_that_count(inputs: PyTree, weights: PyTree) -> PyTree:
    """The inputs, with 0 in the rows of weight 0: a NaN would spoil all derivatives."""
    if weights is None or jnp.ndim(weights) != 1:
        return inputs

    def counted(leaf: Any) -> Any:
        # What only NumPy can hold is not differentiated.
        if is_narrowed(leaf) or not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return leaf
        axes = (len(weights), *(1,) * (jnp.ndim(leaf) - 1))
        return without(leaf, jnp.asarray(weights, float).reshape(axes))

    return jax.tree.map(counted, inputs)
