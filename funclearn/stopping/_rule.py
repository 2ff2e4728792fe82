"""What a stopping rule is, what it sees and remembers, and how two are joined."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int, PyTree

from funclearn._types import Params, Scalar

__all__ = [
    "Best",
    "Init",
    "Judged",
    "Observation",
    "Reason",
    "Rule",
    "Update",
    "Watch",
]

_EVERYTHING = frozenset({"loss", "validation", "grads", "parameters"})


class Observation(NamedTuple):
    """What a rule sees of one epoch.

    Attributes:
        loss: the epoch's training loss, before its update.
        validation: the validation loss at the parameters before the update, or None.
        grads: the gradient of the epoch's last step.
        before: the parameters before the epoch.
        after: the parameters after it.
        epoch: number of epochs so far, this one included.
    """

    loss: Scalar
    validation: Scalar | None
    grads: Params
    before: Params
    after: Params
    epoch: Int[Array, ""] | int = 0

    @property
    def squared_gradient_norm(self) -> Scalar:
        """The square of the gradient's Euclidean norm."""

        def square(leaf: Array) -> Array:
            # Squares of half precision would underflow.
            return jnp.square(leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32)))

        return jnp.asarray(optax.tree.sum(jax.tree.map(square, self.grads)))

    def seen_by(self, rule: "Rule") -> "Observation":
        """The same with None for the loss or the gradient if a rule looks at neither.

        What is not returned from an epoch need not be computed there.
        """
        default = "loss" if self.validation is None else "validation"
        looks_at = {quantity or default for quantity in rule.looks_at}
        return self._replace(**dict.fromkeys({"loss", "grads"} - looks_at))

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
                "validation, and an evaluate that returns the loss or a dictionary "
                "with it under 'loss'; got no such loss."
            )
        return self.loss if self.validation is None else self.validation


Judged: TypeAlias = tuple[PyTree, Array]
"""`(memory, code)` after one more epoch."""

Init: TypeAlias = Callable[["Rule", Observation], PyTree]
Update: TypeAlias = Callable[["Rule", PyTree, Observation], Judged]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("settings", "watch"),
    meta_fields=("reasons", "on", "looks_at", "init", "update"),
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """A stopping rule; make one with the functions of this module.

    Attributes:
        reasons: the names that it can stop with.
        settings: numbers, which may be traced.
        on: the quantity to watch; None leaves the choice to what there is.
        looks_at: all quantities of an observation that it looks at: `"loss"`,
            `"validation"`, `"grads"`, `"parameters"`, or None as in `on`.
        init: `(rule, observation) -> memory`; the observation's shapes count alone.
        update: `(rule, memory, observation) -> (memory, code)`.
        watch: what it remembers of the epochs that it has seen; None at the start.
    """

    reasons: tuple[str, ...]
    settings: PyTree
    on: str | None = None
    looks_at: frozenset[str | None] = _EVERYTHING
    init: Init
    update: Update
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
    memory: PyTree
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

    code: PyTree
    names: tuple[str, ...]

    @property
    def name(self) -> Any:
        """The name as a string; an array of names for a mapped run."""
        names = np.array(self.names)[np.asarray(self.code)]
        return str(names) if names.ndim == 0 else names

    def __str__(self) -> str:
        """The name or names."""
        return str(self.name)


def _joined(one: Rule, other: Rule, reasons: tuple[str, ...], update: Update) -> Rule:
    return Rule(
        reasons=reasons,
        settings=(one, other),
        on=None,
        looks_at=one.looks_at | other.looks_at,
        init=_init_pair,
        update=update,
    )


def _init_pair(rule: Rule, observation: Observation) -> tuple[PyTree, ...]:
    return tuple(side.init(side, observation) for side in rule.settings)


def _update_pair(
    rule: Rule, memory: PyTree, observation: Observation
) -> tuple[tuple[PyTree, ...], tuple[Array, ...]]:
    sides = zip(rule.settings, memory, strict=True)
    results = [side.update(side, own, observation) for side, own in sides]
    memories, codes = zip(*results, strict=True)
    return memories, codes


def _either(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    memories, (left, right) = _update_pair(rule, memory, observation)
    n_left = len(rule.settings[0].reasons)
    return memories, jnp.where(left > 0, left, jnp.where(right > 0, n_left + right, 0))


def _both(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    memories, (left, right) = _update_pair(rule, memory, observation)
    return memories, ((left > 0) & (right > 0)).astype(jnp.int32)
