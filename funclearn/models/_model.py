"""A model is a pair of pure functions, and what it may be applied to."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from funclearn._types import Params

__all__ = ["Model", "check_shape", "uniform"]


class Model(NamedTuple):
    """Pure functions: a pair, and a third one if training is not predicting.

    Attributes:
        init: `init(key) -> params`, a pytree of floating-point arrays; of a model that
            takes notes a `Noted` pair of that and them.
        apply: `apply(params, inputs) -> predictions`, for `(n, ...)` inputs.
        train: `train(params, inputs, key) -> (predictions, notes)`, what it does in
            place of `apply` while it trains: it may draw from the key (dropout), and
            return what it notes (running means) in the structure of its notes, None if
            it takes none. None stands for `apply`.
    """

    init: Callable[[PRNGKeyArray], Params]
    apply: Callable[[Params, PyTree], PyTree]
    train: Callable[[Params, PyTree, PRNGKeyArray], tuple[PyTree, PyTree]] | None = None


def uniform(key: PRNGKeyArray, shape: tuple[int, ...], fan_in: int) -> Array:
    """Draws from ±1/√fan_in, as one row: XLA compiles that several times faster."""
    bound, size = 1 / math.sqrt(fan_in), math.prod(shape)
    return jax.random.uniform(key, (size,), minval=-bound, maxval=bound).reshape(shape)


def check_shape(name: str, array: PyTree, *needed: int | str) -> None:
    """Refuses an array of another shape.

    Args:
        name: the argument to name in the message.
        array: the array.
        needed: the length of every axis; a text, which names it, for any length.

    Raises:
        ValueError: if the array has more or fewer axes, or one of another length.
    """
    shape = jnp.shape(array)
    if len(shape) != len(needed) or any(
        isinstance(length, int) and got != length
        for got, length in zip(shape, needed, strict=True)
    ):
        words = ", ".join(map(str, needed)) + "," * (len(needed) == 1)
        raise ValueError(f"{name} must have the shape ({words}); got {shape}.")
