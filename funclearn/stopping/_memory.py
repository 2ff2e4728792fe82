"""What a stopping rule, and the run that it watches, carry and tell in the end."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from funclearn._programs import debugging
from funclearn._types import Params, Scalar

__all__ = ["Best", "Reason", "Watch", "highest"]


class Best(NamedTuple):
    """The parameters with the lowest validation loss, or the best value of a metric.

    Attributes:
        params: the parameters, before the update of their epoch. As long as every
            value was NaN or inf, or no epoch counted, those that the run started from.
        epoch: that epoch, counted from 1; 0 as long as there was none.
        value: their validation loss or metric; inf (-inf if more is better) as long
            as there was none (the largest number with `jax_debug_infs`, which refuses
            inf).
    """

    params: Params
    epoch: Int[Array, ""]
    value: Scalar

    @property
    def loss(self) -> Float[Array, "..."]:
        """The same, by the name that it has where it is a loss."""
        return self.value


class Watch(NamedTuple):
    """What a rule and the run that it watches carry from epoch to epoch.

    Attributes:
        epoch: number of epochs seen.
        code: 0 while running, else the reason to stop, counted from 1.
        memory: the rule's own.
        best: the best parameters so far; None without validation.
    """

    epoch: Int[Array, ""]
    code: Int[Array, ""]
    memory: PyTree
    best: Best | None


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=("code",), meta_fields=("names",)
)
@dataclasses.dataclass(frozen=True)
class Reason:
    """Why a run ended: a code in a pytree, and the names that the codes have.

    Attributes:
        code: 0 if all epochs ran; one for every lane of a mapped run.
        names: the names, by code.
    """

    code: PyTree
    names: tuple[str, ...]

    @property
    def name(self) -> Any:
        """The name as a string; an array of names for a mapped run."""
        names = np.array(self.names)[np.asarray(self.code)]
        return str(names) if names.ndim == 0 else names

    def __str__(self) -> str:
        """The name or names."""
        return str(self.name)


def highest(dtype: Any) -> np.ndarray:
    """What every loss is lower than: inf, and the largest number where JAX refuses inf.

    With `jax_debug_infs` no compiled function may return inf.
    """
    _, finite = debugging()
    return np.asarray(jnp.finfo(dtype).max if finite else np.inf)
