"""Computation in a lower precision than that of the parameters."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import DTypeLike, PRNGKeyArray, PyTree

from funclearn._notes import trainable, with_trainable
from funclearn._types import Params
from funclearn._words import described
from funclearn.models._model import Model

__all__ = ["mixed_precision"]


def mixed_precision(model: Model, dtype: DTypeLike) -> Model:
    """A model that computes in another precision than that of its parameters.

    Parameters and floating-point inputs are rounded to the dtype, and predictions
    widened to that of the parameters again: losses, gradients and updates are in their
    precision. It is up to the model to compute in the dtype of what it is given, as
    those of this package do; modules of flax do so whose own `dtype` is None.

    Args:
        model: its `init` makes parameters of the precision that they are trained in.
        dtype: a floating-point dtype, `jnp.bfloat16` or `jnp.float16`. Float16 has a
            small range, for which there is `funclearn.training.loss_scaling`.

    Returns:
        A model with the same parameters. What it notes keeps its own dtypes.

    Raises:
        TypeError: if `model` is no model, or `dtype` no floating-point dtype.

    Example:
        >>> model = fl.models.mixed_precision(fl.models.linear, jnp.bfloat16)
        >>> params = fl.models.LinearParams(jnp.float32(1 / 3), jnp.float32(0))
        >>> print(model.apply(params, jnp.array([3.0, 300.0])))
        [  1. 100.]
    """
    if not isinstance(model, Model):
        raise TypeError(
            "model must be a funclearn.Model, such as funclearn.models.linear; got "
            f"{described(model)}."
        )
    low = _floating_dtype(dtype)

    def lowered(params: Params, inputs: PyTree) -> tuple[Params, PyTree]:
        free = _cast(trainable(params), low)
        return with_trainable(params, free), _cast(inputs, low)

    def apply(params: Params, inputs: PyTree) -> PyTree:
        return _widened(model.apply(*lowered(params, inputs)), params)

    if model.train is None:
        return Model(model.init, apply)
    train_low: Callable = model.train

    def train(
        params: Params, inputs: PyTree, key: PRNGKeyArray
    ) -> tuple[PyTree, PyTree]:
        predictions, notes = train_low(*lowered(params, inputs), key)
        if notes is not None:
            notes = jax.tree.map(_as_before, notes, params.notes)
        return _widened(predictions, params), notes

    return Model(model.init, apply, train)


def _floating_dtype(dtype: DTypeLike) -> jnp.dtype:
    try:
        # Of None NumPy makes float64.
        known = None if dtype is None else jnp.dtype(dtype)
    except TypeError:
        known = None
    if known is None or not jnp.issubdtype(known, jnp.floating):
        raise TypeError(
            "dtype must be a floating-point dtype, such as jnp.bfloat16; got "
            f"{described(dtype)}."
        )
    return known


def _cast(tree: PyTree, dtype: jnp.dtype) -> PyTree:
    """A pytree whose floating-point leaves are of a dtype."""

    def cast(leaf: PyTree) -> PyTree:
        floating = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return jnp.asarray(leaf, dtype) if floating else leaf

    return jax.tree.map(cast, tree)


def _widened(predictions: PyTree, params: Params) -> PyTree:
    return _cast(predictions, jnp.result_type(*jax.tree.leaves(trainable(params))))


def _as_before(new: PyTree, old: PyTree) -> PyTree:
    floating = jnp.issubdtype(jnp.result_type(old), jnp.floating)
    return jnp.asarray(new, jnp.result_type(old)) if floating else new
