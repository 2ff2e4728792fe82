"""Taking a rule from epoch to epoch."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from funclearn._checks import check_same_structure
from funclearn.stopping._memory import Best, Watch, highest
from funclearn.stopping._observation import Observation
from funclearn.stopping._rule import Joined, Rule, Side

__all__ = ["begin", "observe"]


def begin(rule: Rule, observation: Observation) -> Watch:
    """What `rule` remembers before the first epoch.

    Args:
        rule: if it has watched a run before, it goes on from there; of two that are
            joined each does by itself, and one that has not begins.
        observation: the parameters that the run starts from, as `before`; of the rest
            the shapes and dtypes that the rule is going to see.

    Raises:
        ValueError: if there is no such loss as the rule watches, or if it has watched a
            run of other shapes or dtypes.
    """
    types = observation._replace(before=None, epoch=None)
    seen = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), types)
    return _begin(rule, seen._replace(before=observation.before, epoch=0))


def _begin(rule: Rule, seen: Observation) -> Watch:
    if rule.watch is not None:
        return _going_on(rule, rule.watch, seen)
    if not (isinstance(rule.update, Joined) and rule.has_watched):
        zero = jnp.zeros((), jnp.int32)
        return Watch(zero, zero, rule.init(rule, seen), _no_best(seen))
    sides = [_begin(side, seen) for side in rule.sides]
    epoch = jnp.maximum(*(side.epoch for side in sides))
    memory = tuple(Side(side.memory, epoch - side.epoch) for side in sides)
    code = rule.update.code(rule, *(side.code for side in sides))
    bests = [side.best for side in sides if side.best is not None]
    return Watch(epoch, code, memory, functools.reduce(_lower, bests, None))


def _going_on(rule: Rule, watch: Watch, seen: Observation) -> Watch:
    _check_memory("stop.watch.memory", rule, watch.memory, seen)
    if watch.best is None:
        return watch._replace(best=_no_best(seen))
    name, meaning = "stop.watch.best.params", "the parameters of this run"
    check_same_structure(name, watch.best.params, seen.before, meaning)
    return watch


def _check_memory(name: str, rule: Rule, memory: PyTree, seen: Observation) -> None:
    if rule.sides:
        for place, (part, side) in enumerate(zip(rule.sides, memory, strict=True)):
            _check_memory(f"{name}[{place}].memory", part, side.memory, seen)
    else:
        needed = jax.eval_shape(functools.partial(rule.init, rule), seen)
        meaning = "a rule that begins to watch this run"
        check_same_structure(name, memory, needed, meaning)


def _no_best(seen: Observation) -> Best | None:
    if seen.validation is None:
        return None
    loss = jnp.full_like(seen.validation, highest(seen.validation.dtype))
    return Best(seen.before, jnp.zeros((), jnp.int32), loss)


def _lower(one: Best | None, other: Best) -> Best:
    if one is None:
        return other
    better = other.loss < one.loss
    return jax.tree.map(functools.partial(jnp.where, better), other, one)


def observe(rule: Rule, watch: Watch, observation: Observation) -> Watch:
    """What `rule` remembers after one more epoch, and whether it stops there."""
    epoch = watch.epoch + 1
    best = watch.best
    if best is not None and observation.validation is not None:
        best = _lower(best, Best(observation.before, epoch, observation.validation))
    memory, code = rule.update(rule, watch.memory, observation._replace(epoch=epoch))
    return Watch(epoch, code, memory, best)
