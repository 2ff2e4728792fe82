"""Rules on the number of epochs."""

import jax.numpy as jnp
from jaxtyping import PyTree

from funclearn._types import ScalarLike
from funclearn.stopping._making import fires, make_rule, no_memory
from funclearn.stopping._observation import Observation
from funclearn.stopping._rule import Judged, Rule
from funclearn.stopping._settings import check_count

__all__ = ["max_epochs", "never"]


def never() -> Rule:
    """Stops at no epoch, of a run that shall keep its best parameters all the same."""
    return make_rule("never", (), (), no_memory, _never)


def max_epochs(epochs: ScalarLike) -> Rule:
    """Stops after a number of epochs, which may be traced.

    Args:
        epochs: how many, of those that the rule has watched.

    Raises:
        TypeError: if `epochs` is not an integer.
        ValueError: if it is less than 1: a rule is asked after an epoch.
    """
    check_count("epochs", epochs)
    return make_rule("max_epochs", epochs, (), no_memory, _max_epochs)


@fires
def _never(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    del rule, observation
    return memory, jnp.zeros((), bool)


@fires
def _max_epochs(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    return memory, observation.epoch >= rule.settings
