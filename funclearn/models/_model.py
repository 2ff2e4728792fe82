"""A model is a pair of pure functions."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
from jaxtyping import Array, PRNGKeyArray, PyTree

from funclearn._types import Params

__all__ = ["Model", "uniform"]


class Model(NamedTuple):
    """A pair of pure functions.

    Attributes:
        init: `init(key) -> params`, a pytree of floating-point arrays.
        apply: `apply(params, inputs) -> predictions`, for `(n, ...)` inputs.
    """

    init: Callable[[PRNGKeyArray], Params]
    apply: Callable[[Params, PyTree], PyTree]


def uniform(key: PRNGKeyArray, shape: tuple[int, ...], fan_in: int) -> Array:
    """Draws from ±1/√fan_in."""
    bound = 1 / math.sqrt(fan_in)
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)
