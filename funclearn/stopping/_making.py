"""What rules are made of: one condition each, and the epochs that count for it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from funclearn.stopping._goal import TRAINING_LOSS, Goal
from funclearn.stopping._observation import Observation
from funclearn.stopping._rule import Init, Judged, Rule, Update

__all__ = ["AfterStart", "fires", "make_rule", "no_memory"]


def make_rule(
    name: str,
    settings: PyTree,
    looks_at: tuple[str | None, ...],
    init: Init,
    update: Update,
    goal: Goal = TRAINING_LOSS,
) -> Rule:
    """A rule with one reason to stop, its name; the rest is as in `Rule`."""
    return Rule(
        reasons=(name,),
        settings=settings,
        goal=goal,
        looks_at=frozenset(looks_at),
        init=init,
        update=update,
    )


def fires(condition: Update) -> Update:
    """Turns `(rule, memory, observation) -> (memory, boolean)` into an update."""

    @functools.wraps(condition)
    def update(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
        memory, fired = condition(rule, memory, observation)
        return memory, fired.astype(jnp.int32)

    return update


@dataclasses.dataclass(frozen=True)
class AfterStart:
    """The update of a rule that begins to watch when the epochs begin to count."""

    update: Update

    def __call__(self, rule: Rule, memory: PyTree, observation: Observation) -> Judged:
        """Sees an epoch, as if those that do not count had not been."""
        epoch = observation.epoch - jnp.asarray(rule.goal.start)
        after, code = self.update(rule, memory, observation._replace(epoch=epoch))
        counts = rule.goal.counts(observation.epoch)
        after = jax.tree.map(functools.partial(jnp.where, counts), after, memory)
        return after, jnp.where(counts, code, 0)


def no_memory(rule: Rule, observation: Observation) -> PyTree:
    """The memory of a rule that looks at one epoch at a time."""
    del rule, observation
    return ()
