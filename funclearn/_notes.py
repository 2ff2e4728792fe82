"""Parameters, and what a model notes beside them while it trains.

Running means, spectral norms, averages: they go from step to step with the parameters,
but no gradient is taken of them, and no optimizer, penalty or rule sees them.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import PyTree

from funclearn._types import Params

__all__ = ["Noted", "bound", "trainable", "with_trainable"]


class Noted(NamedTuple):
    """What a model is applied to that takes notes; `state.params` of its runs.

    Attributes:
        params: what is trained, a pytree of floating-point arrays.
        notes: what the model noted so far, any pytree of arrays.
    """

    params: Params
    notes: PyTree


def trainable(params: Params) -> Params:
    """The part that is trained: all of it where there are no notes."""
    return params.params if isinstance(params, Noted) else params


def with_trainable(params: Params, free: Params) -> Params:
    """The same with another part that is trained."""
    return params._replace(params=free) if isinstance(params, Noted) else free


def bound(function: Callable[..., Any], params: Params) -> Callable[..., Any]:
    """A function of parameters first, as one of the part that is trained.

    Args:
        function: such as an objective.
        params: whose notes it is given.
    """
    if not isinstance(params, Noted):
        return function

    @functools.wraps(function, updated=())
    def of_trainable(free: Params, *rest: PyTree) -> Any:
        return function(with_trainable(params, free), *rest)

    return of_trainable
