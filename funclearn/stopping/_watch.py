"""Taking a rule from epoch to epoch."""

import functools

import jax
import jax.numpy as jnp

from funclearn.stopping._rule import Best, Observation, Rule, Watch

__all__ = ["begin", "observe"]


def begin(rule: Rule, observation: Observation) -> Watch:
    """What `rule` remembers before the first epoch.

    Args:
        rule: if it has watched a run before, it goes on from there.
        observation: shapes and dtypes of what it is going to see.
    """
    if rule.watch is not None:
        return rule.watch
    zero = jnp.zeros((), jnp.int32)
    seen = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), observation)
    best = None
    if seen.validation is not None:
        best = Best(seen.before, zero, jnp.full_like(seen.validation, jnp.inf))
    return Watch(zero, zero, rule.init(rule, seen), best)


def observe(rule: Rule, watch: Watch, observation: Observation) -> Watch:
    """What `rule` remembers after one more epoch, and whether it stops there."""
    epoch = watch.epoch + 1
    best = watch.best
    if best is not None and observation.validation is not None:
        new = Best(observation.before, epoch, observation.validation)
        better = new.loss < best.loss
        best = jax.tree.map(functools.partial(jnp.where, better), new, best)
    memory, code = rule.update(rule, watch.memory, observation._replace(epoch=epoch))
    return Watch(epoch, code, memory, best)
