"""A rule of the user's own."""

from collections.abc import Callable

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import PyTree

from funclearn.stopping._rule import Judged, Observation, Rule

__all__ = ["when"]


def when(name: str, condition: Callable[[Observation], ArrayLike]) -> Rule:
    """Stops when a function of your own says so.

    Args:
        name: the reason to stop with.
        condition: `(observation) -> boolean scalar`, pure.

    Raises:
        ValueError: while `fit` traces it, if `condition` does not return a scalar.

    Example:
        >>> rule = fl.stopping.when("far", lambda seen: jnp.abs(seen.after) > 1e3)
        >>> rule.reasons
        ('far',)
    """

    def update(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
        fired = jnp.asarray(condition(observation))
        if fired.shape:
            raise ValueError(
                f"condition of when({name!r}, ...) must return a boolean scalar; got "
                f"shape {fired.shape}."
            )
        return memory, fired.astype(bool).astype(jnp.int32)

    return Rule(reasons=(name,), settings=(), init=lambda rule, seen: (), update=update)
