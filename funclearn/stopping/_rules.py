"""Rules on the losses and other metrics."""

import math

import jax.numpy as jnp
from jaxtyping import Array, PyTree

from funclearn._checks import is_static_number
from funclearn._types import Scalar, ScalarLike
from funclearn.stopping._goal import Goal, make_goal
from funclearn.stopping._making import AfterStart, fires, make_rule
from funclearn.stopping._memory import highest
from funclearn.stopping._motion import still
from funclearn.stopping._observation import Observation
from funclearn.stopping._rule import Init, Judged, Rule, Update
from funclearn.stopping._settings import check_count, check_size, check_value

__all__ = [
    "diverged",
    "getting_worse",
    "patience",
    "relative_change",
    "target",
]


def target(value: ScalarLike, *, on: str | None = None, direction: str = "min") -> Rule:
    """Stops when the loss is at most `value`: good enough.

    Args:
        value: the loss or metric to reach, in its unit.
        on: what to watch, as in the docstring of `funclearn.stopping`, like the next.
        direction: `"min"`, or `"max"` for what should rise.

    Raises:
        TypeError: if `value` is not a real number.
        ValueError: if it is NaN or has a shape.
    """
    check_value("value", value)
    goal = make_goal(on, direction)
    return _watching("target", value, goal, _nothing, _target)


def relative_change(
    tolerance: ScalarLike,
    *,
    on: str | None = "loss",
    direction: str = "min",
    start: ScalarLike = 0,
) -> Rule:
    """Stops when an epoch changes next to nothing: `|new - old| <= tolerance · |old|`.

    Args:
        tolerance: the relative change, a pure number.
        on: as in `patience`, or `"parameters"`: their Euclidean norm, over all numbers
            that an update has changed since the rule began to watch. What is frozen may
            be large, and would hide how the others change.
        direction: as in `patience`, for the best parameters; changes have none.
        start: how many epochs do not count; the rule begins to watch after them.

    Raises:
        TypeError: if `tolerance` is not a real number.
        ValueError: if it is negative or NaN, or has a shape.
    """
    check_size("tolerance", tolerance)
    goal = make_goal(on, direction, start)
    if on == "parameters":
        return still(tolerance, goal.start)
    return _watching("relative_change", tolerance, goal, _nothing_yet, _relative_change)


def patience(
    epochs: ScalarLike,
    *,
    min_delta: ScalarLike = 0.0,
    on: str | None = None,
    direction: str = "min",
    start: ScalarLike = 0,
) -> Rule:
    """Stops when the loss has not improved for a number of epochs.

    Args:
        epochs: how many epochs in a row may pass without a new best value.
        min_delta: by how much a value must be better than the best to count.
        on: what to watch, as in the docstring of `funclearn.stopping`, like the next.
        direction: `"min"`, or `"max"` for what should rise.
        start: how many epochs do not count; the rule begins to watch after them.

    Raises:
        TypeError: if `epochs` or `start` is not an integer or `min_delta` not a real
            number.
        ValueError: if `epochs` is less than 1, `start` negative, `min_delta` negative
            or not finite, or one of them has a shape; or `direction` is no direction.

    References:
        Prechelt, Early stopping - but when?, 1998.

    Example:
        >>> step = fl.make_train_step(
        ...     lambda w, batch, key: jnp.square(w - batch[0]), optax.sgd(0.3)
        ... )
        >>> state = fl.init_state(jax.random.key(0), 1.0, optax.sgd(0.3))
        >>> rule = fl.stopping.patience(5, min_delta=1e-3) | fl.stopping.diverged()
        >>> run = fl.fit(step, state, jnp.zeros(1), epochs=100, stop=rule)
        >>> print(run.reason, run.epochs)
        patience 10
    """
    check_size("min_delta", min_delta)
    # inf - inf is NaN: not even the first loss would be an improvement.
    if is_static_number(min_delta) and math.isinf(min_delta):
        raise ValueError(f"min_delta must be finite; got {min_delta}.")
    check_count("epochs", epochs)
    goal = make_goal(on, direction, start)
    settings = epochs, min_delta
    return _watching("patience", settings, goal, _lowest_and_count, _patience)


def getting_worse(
    epochs: ScalarLike = 1,
    *,
    on: str | None = None,
    direction: str = "min",
    start: ScalarLike = 0,
) -> Rule:
    """Stops when the loss has risen for a number of epochs in a row.

    Args:
        epochs: how many rises in a row, or falls of what should rise.
        on: what to watch, as in the docstring of `funclearn.stopping`, like the next.
        direction: `"min"`, or `"max"` for what should rise.
        start: how many epochs do not count; the rule begins to watch after them.

    Raises:
        TypeError: if `epochs` is not an integer.
        ValueError: if it is less than 1 or has a shape.
    """
    check_count("epochs", epochs)
    goal = make_goal(on, direction, start)
    return _watching("getting_worse", epochs, goal, _lowest_and_count, _getting_worse)


def diverged(
    factor: ScalarLike = jnp.inf, *, on: str | None = "loss", direction: str = "min"
) -> Rule:
    """Stops when the loss is not finite, or has grown by a factor.

    Args:
        factor: how many times the first epoch's loss is too much.
        on: what to watch, as in the docstring of `funclearn.stopping`, like the next.
        direction: `"min"`, or `"max"` for what should rise and must not fall below
            minus the factor.

    Raises:
        TypeError: if `factor` is not a real number.
        ValueError: if it is less than 1 or NaN, or has a shape.
    """
    check_size("factor", factor, at_least_one=True)
    goal = make_goal(on, direction)
    # No loss is more than infinitely large: such a factor is none, and no array of it
    # can be taken for a fault of the run (`jax_debug_infs`).
    if is_static_number(factor) and math.isinf(factor):
        return _watching("diverged", None, goal, _nothing, _not_finite)
    return _watching("diverged", factor, goal, _highest, _diverged)


def _watching(
    name: str, settings: PyTree, goal: Goal, init: Init, update: Update
) -> Rule:
    update = update if goal.start is None else AfterStart(update)
    return make_rule(name, settings, (goal.looks_at,), init, update, goal)


def _seen(rule: Rule, observation: Observation) -> Scalar:
    """What the rule watches; less of it is better."""
    return rule.goal.of(observation)


def _nothing(rule: Rule, observation: Observation) -> PyTree:
    _seen(rule, observation)  # which refuses what is not there
    return ()


def _nothing_yet(rule: Rule, observation: Observation) -> Scalar:
    return jnp.zeros_like(_seen(rule, observation))


def _highest(rule: Rule, observation: Observation) -> Scalar:
    new = _seen(rule, observation)
    return jnp.full_like(new, highest(new.dtype))


def _lowest_and_count(rule: Rule, observation: Observation) -> tuple[Scalar, Array]:
    return _highest(rule, observation), jnp.zeros((), jnp.int32)


@fires
def _target(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    value = observation.watched(rule.goal.on)
    if rule.goal.direction == "max":
        return memory, value >= rule.settings
    return memory, value <= rule.settings


@fires
def _relative_change(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    new = _seen(rule, observation)
    still = jnp.abs(new - memory) <= rule.settings * jnp.abs(memory)
    return new, still & (observation.epoch > 1)


@fires
def _patience(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    (lowest, count), (epochs, min_delta) = memory, rule.settings
    new = _seen(rule, observation)
    # NaN is less than nothing, so it never counts as an improvement.
    better = new < lowest - min_delta
    count = jnp.where(better, 0, count + 1)
    lowest = jnp.where(better, new, lowest)
    return (lowest, count), count >= epochs


@fires
def _getting_worse(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    previous, count = memory
    new = _seen(rule, observation)
    count = jnp.where(new > previous, count + 1, 0)
    return (new, count), count >= rule.settings


@fires
def _not_finite(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    return memory, ~jnp.isfinite(_seen(rule, observation))


@fires
def _diverged(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    new = _seen(rule, observation)
    # Asked for by epoch, or by sign, a small model's epoch takes a quarter longer.
    first = jnp.where(memory == highest(new.dtype), new, memory)
    return first, ~jnp.isfinite(new) | (new > rule.settings * jnp.abs(first))
