"""The rules."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PyTree

from funclearn._checks import check_at_least_one, check_not_negative
from funclearn._types import Scalar, ScalarLike
from funclearn.stopping._rule import Init, Judged, Observation, Rule, Update

__all__ = [
    "diverged",
    "getting_worse",
    "gradient_norm",
    "max_epochs",
    "patience",
    "relative_change",
    "target",
]


def target(value: ScalarLike, *, on: str | None = None) -> Rule:
    """Stops when the loss is at most `value`: good enough.

    Args:
        value: the loss to reach, in its unit.
        on: `"loss"`, `"validation"`, or None for the second where there is one.
    """
    return _watching("target", value, on, _no_memory, _target)


def max_epochs(epochs: ScalarLike) -> Rule:
    """Stops after a number of epochs, which may be traced."""
    return _rule("max_epochs", epochs, (), _no_memory, _max_epochs)


def gradient_norm(tolerance: ScalarLike) -> Rule:
    """Stops when the gradient is short: its Euclidean norm is at most `tolerance`.

    Args:
        tolerance: in the loss's unit over the parameters'.

    Raises:
        ValueError: if `tolerance` is negative.
    """
    check_not_negative("tolerance", tolerance)
    return _rule("gradient_norm", tolerance, ("grads",), _no_memory, _gradient_norm)


def relative_change(tolerance: ScalarLike, *, on: str | None = "loss") -> Rule:
    """Stops when an epoch changes next to nothing: |new - old| <= tolerance · |old|.

    Args:
        tolerance: the relative change, a pure number.
        on: `"loss"`, `"validation"`, `"parameters"` (their Euclidean norm over all
            leaves), or None for the validation loss where there is one.

    Raises:
        ValueError: if `tolerance` is negative.
    """
    check_not_negative("tolerance", tolerance)
    if on == "parameters":
        return _rule("relative_change", tolerance, (on,), _no_memory, _still)
    return _watching("relative_change", tolerance, on, _previous, _relative_change)


def patience(
    epochs: ScalarLike, *, min_delta: ScalarLike = 0.0, on: str | None = None
) -> Rule:
    """Stops when the loss has not improved for a number of epochs.

    Args:
        epochs: how many epochs in a row may pass without a new lowest loss.
        min_delta: by how much a loss must be lower than the lowest to count.
        on: `"loss"`, `"validation"`, or None for the second where there is one.

    Raises:
        ValueError: if `epochs` is less than 1 or `min_delta` is negative.

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
    check_not_negative("min_delta", min_delta)
    check_at_least_one("epochs", epochs)
    return _watching("patience", (epochs, min_delta), on, _lowest_and_count, _patience)


def getting_worse(epochs: ScalarLike = 1, *, on: str | None = None) -> Rule:
    """Stops when the loss has risen for a number of epochs in a row.

    Args:
        epochs: how many rises in a row.
        on: `"loss"`, `"validation"`, or None for the second where there is one.

    Raises:
        ValueError: if `epochs` is less than 1.
    """
    check_at_least_one("epochs", epochs)
    return _watching("getting_worse", epochs, on, _lowest_and_count, _getting_worse)


def diverged(factor: ScalarLike = jnp.inf, *, on: str | None = "loss") -> Rule:
    """Stops when the loss is not finite, or has grown by a factor.

    Args:
        factor: how many times the first epoch's loss is too much.
        on: `"loss"`, `"validation"`, or None for the second where there is one.

    Raises:
        ValueError: if `factor` is less than 1.
    """
    check_at_least_one("factor", factor)
    return _watching("diverged", factor, on, _previous, _diverged)


def _watching(
    name: str, settings: PyTree, on: str | None, init: Init, update: Update
) -> Rule:
    if on not in (None, "loss", "validation"):
        raise ValueError(f"on must be 'loss', 'validation' or None; got {on!r}.")
    rule = _rule(name, settings, (on,), init, update)
    return dataclasses.replace(rule, on=on)


def _rule(
    name: str,
    settings: PyTree,
    looks_at: tuple[str | None, ...],
    init: Init,
    update: Update,
) -> Rule:
    return Rule(
        reasons=(name,),
        settings=settings,
        looks_at=frozenset(looks_at),
        init=init,
        update=update,
    )


def _fires(condition: Update) -> Update:
    @functools.wraps(condition)
    def update(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
        memory, fired = condition(rule, memory, observation)
        return memory, fired.astype(jnp.int32)

    return update


def _no_memory(rule: Rule, observation: Observation) -> PyTree:
    del rule, observation
    return ()


def _previous(rule: Rule, observation: Observation) -> Scalar:
    # Comparisons with NaN are false: the first epoch has no previous one.
    return jnp.full_like(observation.watched(rule.on), jnp.nan)


def _lowest_and_count(rule: Rule, observation: Observation) -> tuple[Scalar, Array]:
    lowest = jnp.full_like(observation.watched(rule.on), jnp.inf)
    return lowest, jnp.zeros((), jnp.int32)


@_fires
def _target(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    return memory, observation.watched(rule.on) <= rule.settings


@_fires
def _max_epochs(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    return memory, observation.epoch >= rule.settings


@_fires
def _gradient_norm(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    # Squares are compared: a root has no derivative at 0.
    limit = jnp.square(rule.settings)
    return memory, observation.squared_gradient_norm <= limit


@_fires
def _still(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    moved = jax.tree.map(jnp.subtract, observation.after, observation.before)
    limit = rule.settings * optax.tree.norm(observation.before)
    return memory, optax.tree.norm(moved) <= limit


@_fires
def _relative_change(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    new = observation.watched(rule.on)
    return new, jnp.abs(new - memory) <= rule.settings * jnp.abs(memory)


@_fires
def _patience(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    (lowest, count), (epochs, min_delta) = memory, rule.settings
    new = observation.watched(rule.on)
    # NaN is less than nothing, so it never counts as an improvement.
    better = new < lowest - min_delta
    count = jnp.where(better, 0, count + 1)
    lowest = jnp.where(better, new, lowest)
    return (lowest, count), count >= epochs


@_fires
def _getting_worse(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    previous, count = memory
    new = observation.watched(rule.on)
    count = jnp.where(new > previous, count + 1, 0)
    return (new, count), count >= rule.settings


@_fires
def _diverged(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    new = observation.watched(rule.on)
    # Before the first epoch the memory is NaN, and the first loss takes its place.
    first = jnp.where(jnp.isnan(memory), new, memory)
    grown = new > rule.settings * jnp.abs(first)
    return first, ~jnp.isfinite(new) | grown
