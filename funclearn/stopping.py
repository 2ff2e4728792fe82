"""Stopping rules: when is a run good enough, or not worth going on?

A rule is a small pytree with two pure functions, in the manner of an optimizer:

    init(settings, observation)           -> memory
    update(settings, memory, observation) -> (memory, code)

`code` is 0 to go on, and k when the k-th of the rule's `reasons` fired. Rules are
evaluated inside the compiled loop of `funclearn.fit`, once an epoch; their settings
may be traced, so a sweep can range over them. `a | b` stops when either fires and tells
which, the left one if both do; `a & b` when both fire at the same epoch.

A rule watches one quantity: `"loss"`, the training loss before the epoch's update;
`"validation"`, the validation loss at the same parameters; by default the second where
there is one and the first where there is none.

Under every rule the run stays differentiable, forwards and backwards, with the epoch at
which it stops taken as constant, which it is almost everywhere.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int

from funclearn._checks import is_static_number
from funclearn._types import Params, Scalar, ScalarLike

__all__ = [
    "Best",
    "Observation",
    "Reason",
    "Rule",
    "Watch",
    "diverged",
    "getting_worse",
    "gradient_norm",
    "max_epochs",
    "patience",
    "relative_change",
    "target",
    "when",
]


class Observation(NamedTuple):
    """What a rule sees of one epoch.

    Attributes:
        loss: the epoch's training loss, before its update.
        validation: the validation loss at the parameters before the update, or None.
        grads: the gradient of the epoch's last step.
        squared_gradient_norm: the square of its Euclidean norm.
        before: the parameters before the epoch.
        after: the parameters after it.
        epoch: number of epochs so far, this one included.
    """

    loss: Scalar
    validation: Scalar | None
    grads: Params
    squared_gradient_norm: Scalar
    before: Params
    after: Params
    epoch: Int[Array, ""] | int = 0

    def watched(self, on: str | None) -> Scalar:
        """The quantity that a rule was told to watch.

        Raises:
            ValueError: if it is the validation loss and there is none.
        """
        if on == "loss":
            return self.loss
        if on == "validation" and self.validation is None:
            raise ValueError(
                "stop watches the validation loss (on='validation'), so fit needs "
                "validation and evaluate; got neither."
            )
        return self.loss if self.validation is None else self.validation


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("settings", "watch"),
    meta_fields=("reasons", "on", "init", "update"),
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """A stopping rule; make one with the functions of this module.

    Attributes:
        reasons: the names that it can stop with.
        settings: numbers, which may be traced.
        on: the quantity to watch; None leaves the choice to what there is.
        init: `(rule, observation) -> memory`; the observation's shapes count alone.
        update: `(rule, memory, observation) -> (memory, code)`.
        watch: what it remembers of the epochs that it has seen; None at the start.
    """

    reasons: tuple[str, ...]
    settings: Any
    on: str | None
    init: Callable[["Rule", Observation], Any]
    update: Callable[["Rule", Any, Observation], tuple[Any, Int[Array, ""]]]
    watch: "Watch | None" = None

    def __or__(self, other: "Rule") -> "Rule":
        """Stops when either rule fires."""
        return _joined(self, other, (*self.reasons, *other.reasons), _either)

    def __and__(self, other: "Rule") -> "Rule":
        """Stops when both rules fire at the same epoch."""
        sides = [" | ".join(side.reasons) for side in (self, other)]
        both = [f"({side})" if " | " in side else side for side in sides]
        return _joined(self, other, (" & ".join(both),), _both)


class Best(NamedTuple):
    """The parameters with the lowest validation loss.

    Attributes:
        params: the parameters, before the update of their epoch.
        epoch: that epoch, counted from 1; 0 while no loss has been finite.
        loss: their validation loss.
    """

    params: Params
    epoch: Int[Array, ""]
    loss: Scalar


class Watch(NamedTuple):
    """What a rule and the run that it watches carry from epoch to epoch.

    Attributes:
        epoch: number of epochs seen.
        code: 0 while running, else the reason to stop, counted from 1.
        memory: the rule's own.
        best: the best parameters so far; None without validation.
    """

    epoch: Int[Array, ""]
    code: Int[Array, ""]
    memory: Any
    best: Best | None


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=("code",), meta_fields=("names",)
)
@dataclasses.dataclass(frozen=True)
class Reason:
    """Why a run ended: a code in a pytree, and the names that the codes have.

    Attributes:
        code: 0 if all epochs ran; one for every lane of a mapped run.
        names: the names, by code.
    """

    code: Any
    names: tuple[str, ...]

    @property
    def name(self) -> Any:
        """The name as a string; an array of names for a mapped run."""
        names = np.array(self.names)[np.asarray(self.code)]
        return str(names) if names.ndim == 0 else names

    def __str__(self) -> str:
        """The name or names."""
        return str(self.name)


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


def looks_at(rule: Rule, watch: Watch, observation: Observation) -> set[str]:
    """The fields of an observation that a rule looks at.

    Args:
        rule: the rule.
        watch: what it remembers.
        observation: shapes and dtypes of what it is going to see.
    """
    update = functools.partial(rule.update, rule, watch.memory)
    jaxpr = jax.make_jaxpr(update)(observation).jaxpr
    used = {id(x) for equation in jaxpr.eqns for x in equation.invars}
    used |= {id(x) for x in jaxpr.outvars}
    inputs = jax.tree.unflatten(jax.tree.structure(observation), jaxpr.invars)
    return {
        name
        for name, part in inputs._asdict().items()
        if any(id(x) in used for x in jax.tree.leaves(part))
    }


def target(value: ScalarLike, *, on: str | None = None) -> Rule:
    """Stops when the loss is at most `value`: good enough.

    Args:
        value: the loss to reach, in its unit.
        on: `"loss"`, `"validation"`, or None for the second where there is one.
    """
    return _rule("target", value, on, _no_memory, _target)


def max_epochs(epochs: ScalarLike) -> Rule:
    """Stops after a number of epochs, which may be traced."""
    return _rule("max_epochs", epochs, None, _no_memory, _max_epochs)


def gradient_norm(tolerance: ScalarLike) -> Rule:
    """Stops when the gradient is short: its Euclidean norm is at most `tolerance`.

    Args:
        tolerance: in the loss's unit over the parameters'.

    Raises:
        ValueError: if `tolerance` is negative.
    """
    _check_not_negative("tolerance", tolerance)
    return _rule("gradient_norm", tolerance, None, _no_memory, _gradient_norm)


def relative_change(tolerance: ScalarLike, *, on: str | None = "loss") -> Rule:
    """Stops when an epoch changes next to nothing: |new - old| <= tolerance · |old|.

    Args:
        tolerance: the relative change, a pure number.
        on: `"loss"`, `"validation"`, `"parameters"` (their Euclidean norm over all
            leaves), or None for the validation loss where there is one.

    Raises:
        ValueError: if `tolerance` is negative.
    """
    _check_not_negative("tolerance", tolerance)
    if on == "parameters":
        return _rule("relative_change", tolerance, None, _no_memory, _still)
    return _rule("relative_change", tolerance, on, _previous, _relative_change)


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
    """
    _check_not_negative("min_delta", min_delta)
    _check_at_least_one("epochs", epochs)
    return _rule("patience", (epochs, min_delta), on, _lowest_and_count, _patience)


def getting_worse(epochs: ScalarLike = 1, *, on: str | None = None) -> Rule:
    """Stops when the loss has risen for a number of epochs in a row.

    Args:
        epochs: how many rises in a row.
        on: `"loss"`, `"validation"`, or None for the second where there is one.

    Raises:
        ValueError: if `epochs` is less than 1.
    """
    _check_at_least_one("epochs", epochs)
    return _rule("getting_worse", epochs, on, _lowest_and_count, _getting_worse)


def diverged(factor: ScalarLike = jnp.inf, *, on: str | None = "loss") -> Rule:
    """Stops when the loss is not finite, or has grown by a factor.

    Args:
        factor: how many times the first epoch's loss is too much.
        on: `"loss"`, `"validation"`, or None for the second where there is one.

    Raises:
        ValueError: if `factor` is less than 1.
    """
    _check_at_least_one("factor", factor)
    return _rule("diverged", factor, on, _previous, _diverged)


def when(name: str, condition: Callable[[Observation], Any]) -> Rule:
    """Stops when a function of your own says so.

    Args:
        name: the reason to stop with.
        condition: `(observation) -> boolean scalar`, pure.

    Raises:
        ValueError: while `fit` traces it, if `condition` does not return a scalar.
    """

    def update(rule: Rule, memory: Any, observation: Observation) -> Any:
        fired = jnp.asarray(condition(observation))
        if fired.shape:
            raise ValueError(
                f"condition of when({name!r}, ...) must return a boolean scalar; got "
                f"shape {fired.shape}."
            )
        return memory, fired.astype(bool).astype(jnp.int32)

    return Rule(reasons=(name,), settings=(), on=None, init=_no_memory, update=update)


def _rule(name: str, settings: Any, on: str | None, init: Any, fires: Any) -> Rule:
    if on not in (None, "loss", "validation"):
        raise ValueError(f"on must be 'loss', 'validation' or None; got {on!r}.")
    return Rule(reasons=(name,), settings=settings, on=on, init=init, update=fires)


def _check_not_negative(name: str, value: Any) -> None:
    if is_static_number(value) and not value >= 0:
        raise ValueError(f"{name} must not be negative; got {value}.")


def _check_at_least_one(name: str, value: Any) -> None:
    if is_static_number(value) and not value >= 1:
        raise ValueError(f"{name} must be at least 1; got {value}.")


def _fires(
    condition: Callable[[Rule, Any, Observation], tuple[Any, Any]],
) -> Callable[[Rule, Any, Observation], tuple[Any, Any]]:
    @functools.wraps(condition)
    def update(rule: Rule, memory: Any, observation: Observation) -> tuple[Any, Any]:
        memory, fired = condition(rule, memory, observation)
        return memory, fired.astype(jnp.int32)

    return update


def _no_memory(rule: Rule, observation: Observation) -> Any:
    del rule, observation
    return ()


def _previous(rule: Rule, observation: Observation) -> Scalar:
    # Comparisons with NaN are false: the first epoch has no previous one.
    return jnp.full_like(observation.watched(rule.on), jnp.nan)


def _lowest_and_count(rule: Rule, observation: Observation) -> tuple[Any, Any]:
    lowest = jnp.full_like(observation.watched(rule.on), jnp.inf)
    return lowest, jnp.zeros((), jnp.int32)


@_fires
def _target(rule: Rule, memory: Any, observation: Observation) -> Any:
    return memory, observation.watched(rule.on) <= rule.settings


@_fires
def _max_epochs(rule: Rule, memory: Any, observation: Observation) -> Any:
    return memory, observation.epoch >= rule.settings


@_fires
def _gradient_norm(rule: Rule, memory: Any, observation: Observation) -> Any:
    limit = jnp.square(rule.settings)
    return memory, observation.squared_gradient_norm <= limit


@_fires
def _still(rule: Rule, memory: Any, observation: Observation) -> Any:
    moved = jax.tree.map(jnp.subtract, observation.after, observation.before)
    limit = rule.settings * optax.tree.norm(observation.before)
    return memory, optax.tree.norm(moved) <= limit


@_fires
def _relative_change(rule: Rule, memory: Any, observation: Observation) -> Any:
    new = observation.watched(rule.on)
    return new, jnp.abs(new - memory) <= rule.settings * jnp.abs(memory)


@_fires
def _patience(rule: Rule, memory: Any, observation: Observation) -> Any:
    (lowest, count), (epochs, min_delta) = memory, rule.settings
    new = observation.watched(rule.on)
    better = new < lowest - min_delta
    count = jnp.where(better, 0, count + 1)
    lowest = jnp.where(better, new, lowest)
    return (lowest, count), count >= epochs


@_fires
def _getting_worse(rule: Rule, memory: Any, observation: Observation) -> Any:
    previous, count = memory
    new = observation.watched(rule.on)
    count = jnp.where(new > previous, count + 1, 0)
    return (new, count), count >= rule.settings


@_fires
def _diverged(rule: Rule, memory: Any, observation: Observation) -> Any:
    new = observation.watched(rule.on)
    first = jnp.where(jnp.isnan(memory), new, memory)
    grown = new > rule.settings * jnp.abs(first)
    return first, ~jnp.isfinite(new) | grown


def _joined(one: Rule, other: Rule, reasons: tuple[str, ...], update: Any) -> Rule:
    return Rule(
        reasons=reasons, settings=(one, other), on=None, init=_init_pair, update=update
    )


def _init_pair(rule: Rule, observation: Observation) -> Any:
    return tuple(side.init(side, observation) for side in rule.settings)


def _update_pair(rule: Rule, memory: Any, observation: Observation) -> Any:
    sides = zip(rule.settings, memory, strict=True)
    results = [side.update(side, own, observation) for side, own in sides]
    memories, codes = zip(*results, strict=True)
    return memories, codes


def _either(rule: Rule, memory: Any, observation: Observation) -> Any:
    memories, (left, right) = _update_pair(rule, memory, observation)
    n_left = len(rule.settings[0].reasons)
    return memories, jnp.where(left > 0, left, jnp.where(right > 0, n_left + right, 0))


def _both(rule: Rule, memory: Any, observation: Observation) -> Any:
    memories, (left, right) = _update_pair(rule, memory, observation)
    return memories, ((left > 0) & (right > 0)).astype(jnp.int32)
