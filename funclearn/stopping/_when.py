"""A rule of the user's own."""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import PyTree

from funclearn.stopping._making import no_memory
from funclearn.stopping._observation import Observation
from funclearn.stopping._rule import Judged, Rule

__all__ = ["when"]


def when(name: str, condition: Callable[[Observation], ArrayLike]) -> Rule:
    """Stops when a function of your own says so.

    Args:
        name: the reason to stop with.
        condition: `(observation) -> boolean scalar`, pure. The rule can be pickled if
            it can: a function of a module, not a lambda.

    Raises:
        TypeError: if `name` is not a string or `condition` not a function; while `fit`
            traces it, if `condition` returns no boolean.
        ValueError: while `fit` traces it, if `condition` does not return a scalar.

    Example:
        >>> rule = fl.stopping.when("far", lambda seen: jnp.abs(seen.after) > 1e3)
        >>> rule.reasons
        ('far',)
    """
    if not isinstance(name, str):
        raise TypeError(
            f"name must be a string, the reason to stop with; got {name!r}."
        )
    if not callable(condition):
        raise TypeError(
            f"condition of when({name!r}, ...) must be a function of an observation; "
            f"got {condition!r}."
        )
    update = _Condition(name, condition)
    return Rule(reasons=(name,), settings=(), init=no_memory, update=update)


# No closure: it can be pickled, and two of one condition are one rule to `jax.jit`.
@dataclasses.dataclass(frozen=True)
class _Condition:
    name: str
    condition: Callable[[Observation], ArrayLike]

    def __call__(self, rule: Rule, memory: PyTree, observation: Observation) -> Judged:
        result = self.condition(observation)
        try:
            fired = jnp.asarray(result)
        except (TypeError, ValueError):
            raise self._no_boolean(repr(result)) from None
        if fired.shape:
            raise ValueError(
                f"condition of when({self.name!r}, ...) must return a boolean scalar; "
                f"got shape {fired.shape}."
            )
        if fired.dtype != bool:
            raise self._no_boolean(str(fired.dtype))
        return memory, fired.astype(jnp.int32)

    def _no_boolean(self, got: str) -> TypeError:
        return TypeError(
            f"condition of when({self.name!r}, ...) must return a boolean scalar, as a "
            f"comparison does; got {got}."
        )
