"""Arrays on the devices of one process, or of several."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding

__all__ = ["can_move", "made_of_parts"]


def can_move(array: jax.Array, sharding: NamedSharding) -> bool:
    """Whether JAX moves an array there by itself: not from one process to several."""
    return sharding.is_fully_addressable or not array.is_fully_addressable


def made_of_parts(
    shape: tuple[int, ...],
    sharding: NamedSharding,
    part: Callable[[tuple[slice, ...]], np.ndarray],
) -> jax.Array:
    """An array of which every process makes the parts that its devices hold.

    Args:
        shape: of the array.
        sharding: which device holds what.
        part: the numbers at an index.
    """

    def called(index: Any) -> np.ndarray:
        return part(index or ())

    return jax.make_array_from_callback(shape, sharding, called)
