"""The loss within what was evaluated."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._types import Scalar

__all__ = ["loss_entry", "loss_of"]


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
