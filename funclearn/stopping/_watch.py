"""Taking a rule from epoch to epoch."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from funclearn._checks import check_same_structure
from funclearn._jaxprs import filled
from funclearn._types import Scalar
from funclearn.stopping._goal import Goal
from funclearn.stopping._memory import Best, Watch
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
    seen = jax.tree.map(lambda leaf: filled(leaf, 0), types)
    return _begin(rule, seen._replace(before=observation.before, epoch=0))


def _begin(rule: Rule, seen: Observation) -> Watch:
    if rule.watch is not None:
        return _going_on(rule, rule.watch, seen)
    if not (isinstance(rule.update, Joined) and rule.has_watched):
        zero = jnp.zeros((), jnp.int32)
        return Watch(zero, zero, rule.init(rule, seen), _no_best(rule, seen))
    sides = [_begin(side, seen) for side in rule.sides]
    epoch = jnp.maximum(*(side.epoch for side in sides))
    memory = tuple(Side(side.memory, epoch - side.epoch) for side in sides)
    code = rule.update.code(rule, *(side.code for side in sides))
    goal, best = rule.best_goal, _no_best(rule, seen)
    for side, part in zip(sides, rule.sides, strict=True):
        if side.best is not None and goal.same_as(part.best_goal):
            best = side.best if best is None else _better(goal, best, side.best)
    return Watch(epoch, code, memory, best)


def _going_on(rule: Rule, watch: Watch, seen: Observation) -> Watch:
    _check_memory("stop.watch.memory", rule, watch.memory, seen)
    if watch.best is None:
        return watch._replace(best=_no_best(rule, seen))
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


def _no_best(rule: Rule, seen: Observation) -> Best | None:
    value = _value(rule, seen)
    if value is None:
        return None
    worst = jnp.full_like(value, rule.best_goal.worst(value.dtype))
    return Best(seen.before, jnp.zeros((), jnp.int32), worst)


def _value(rule: Rule, seen: Observation) -> Scalar | None:
    """What the best go by; None where it is a validation loss that there is not."""
    goal = rule.best_goal
    if goal.on in ("validation", None) and rule.best_by is None:
        return seen.validation
    return seen.watched(goal.on, "the best parameters go by")


def _better(goal: Goal, one: Best, other: Best) -> Best:
    better = goal.signed(other.value) < goal.signed(one.value)
    return jax.tree.map(functools.partial(jnp.where, better), other, one)


def observe(rule: Rule, watch: Watch, observation: Observation) -> Watch:
    """What `rule` remembers after one more epoch, and whether it stops there."""
    epoch, goal = watch.epoch + 1, rule.best_goal
    best, value = watch.best, _value(rule, observation)
    if best is not None and value is not None:
        if goal.start is not None:
            value = jnp.where(goal.counts(epoch), value, goal.worst(value.dtype))
        best = _better(goal, best, Best(observation.before, epoch, value))
    memory, code = rule.update(rule, watch.memory, observation._replace(epoch=epoch))
    return Watch(epoch, code, memory, best)
