"""How much single rows count, and means of what counts.

    mean = Σ w_i v_i / Σ w_i

A row of weight 0 has no part in it, whatever it holds: it may be padding.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from funclearn._arrays import as_array, check_real, is_known, narrowed
from funclearn._layout import everywhere, is_divided
from funclearn._types import Batch, Scalar

__all__ = [
    "as_weights",
    "check_weights",
    "ratio",
    "total_of",
    "weighted_mean",
    "weights_of",
    "without",
]


def weights_of(data: Batch) -> PyTree:
    """The weights of a data set; None of what has none, or is no data set."""
    if hasattr(data, "inputs") and hasattr(data, "targets"):
        return getattr(data, "weights", None)
    return None


def total_of(data: Batch, n_rows: int) -> Scalar | int:
    """What the rows of a batch count together: their number, where all count alike."""
    weights = weights_of(data)
    if weights is None:
        return n_rows
    weights = jnp.asarray(weights)
    entries = weights.size // n_rows
    return jnp.sum(weights.astype(jnp.result_type(weights, float))) / entries


def check_weights(name: str, data: Batch, *, padding: bool = False) -> None:
    """Refuses weights that no mean can be taken with, as far as they are known.

    Args:
        name: the argument to name in messages.
        data: rows.
        padding: whether all may be 0, as in a part of the rows that count.

    Raises:
        TypeError: if they are not real numbers.
        ValueError: if one is negative or not finite, or all are 0.
    """
    weights = weights_of(data)
    if weights is None or not is_known(weights):
        return
    values = np.asarray(as_array(f"{name}.weights", weights))
    check_real(f"{name}.weights", values)
    values = values.astype(np.float64)
    wrong = values[~((values >= 0) & np.isfinite(values))]
    if wrong.size:
        raise ValueError(
            f"{name}.weights must be finite and not negative; got {wrong.flat[0]}."
        )
    if values.size and not (padding or values.any()):
        raise ValueError(f"{name}.weights must not all be 0: there is nothing to mean.")


def as_weights(weights: PyTree, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Reads weights as floats of as many axes as what they weigh.

    Args:
        weights: `(n,)`, or of further leading axes of `shape`.
        shape: of what they weigh.

    Raises:
        TypeError: if they are not real numbers.
        ValueError: if their shape is not the beginning of the other.
    """
    array = as_array("weights", weights)
    check_real("weights", array)
    got = jnp.shape(array)
    if not got or got != shape[: len(got)]:
        raise ValueError(
            "weights must have the leading axes of what they weigh, the first at "
            f"least; got weights {got} for {shape}."
        )
    array = jnp.asarray(narrowed("weights", array))
    dtype = jnp.promote_types(jnp.result_type(array, float), jnp.float32)
    array = array.astype(dtype)
    axes = *got, *(1,) * (len(shape) - len(got))
    if len(got) > 1:  # as many numbers, perhaps, as the data themselves
        return array.reshape(axes)
    return everywhere(everywhere(array).reshape(axes))


def without(values: Array, weights: Float[Array, "..."] | None) -> Array:
    """The values, with 0 where the weight is 0, and no derivative there.

    What is not finite has derivatives that are not, even times 0; so this comes before
    whatever else is computed of them.
    """
    return values if weights is None else jnp.where(weights == 0, 0, values)


def ratio(above: Array, below: Array) -> Array:
    """The quotient; 0 where nothing counts, as in a batch of padding alone."""
    return above / jnp.where(below == 0, 1, below)


def weighted_mean(
    values: Float[Array, "..."], weights: Float[Array, "..."] | None
) -> Scalar:
    """The mean of all values; of those that count, with weights by `as_weights`."""
    if weights is None:
        return jnp.mean(values)
    counted = jnp.broadcast_to(weights, values.shape)
    above = jnp.sum(counted * without(values, weights))
    if weights.size == len(weights) and is_divided(weights):
        # Every device sums them by itself; what it multiplies with is a part of them.
        counted = everywhere(jnp.broadcast_to(weights, values.shape))
    return ratio(above, jnp.sum(counted))
