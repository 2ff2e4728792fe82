"""What a stopping rule is, and how two are joined."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from funclearn.stopping._goal import TRAINING_LOSS, Goal
from funclearn.stopping._memory import Watch
from funclearn.stopping._observation import EVERYTHING, Observation

__all__ = ["Init", "Joined", "Judged", "Rule", "Side", "Update"]

Judged: TypeAlias = tuple[PyTree, Array]
"""`(memory, code)` after one more epoch."""

Init: TypeAlias = Callable[["Rule", Observation], PyTree]
Update: TypeAlias = Callable[["Rule", PyTree, Observation], Judged]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("settings", "goal", "best_by", "watch"),
    meta_fields=("reasons", "looks_at", "init", "update"),
)
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """A stopping rule; make one with the functions of this module.

    Rules are joined by `|` and `&`; a rule has no truth value, so that `or`, `and` and
    `not` are refused. Two rules are equal if they are of one kind and all numbers in
    them are.

    Attributes:
        reasons: the names that it can stop with.
        settings: numbers, which may be traced; the two rules of a joined one.
        goal: the quantity to watch; the training loss where none was named.
        best_by: what the best parameters go by; None leaves it to the first goal in
            the rule, from the left, other than the training loss.
        looks_at: all quantities of an observation that it looks at: `"loss"`,
            `"validation"`, `"grads"`, `"parameters"`, `"evaluation"`, or None for the
            validation loss where there is one, else the training loss.
        init: `(rule, observation) -> memory`; the observation's shapes count alone.
        update: `(rule, memory, observation) -> (memory, code)`.
        watch: what it remembers of the epochs that it has seen; None at the start.
    """

    reasons: tuple[str, ...]
    settings: PyTree
    goal: Goal = TRAINING_LOSS
    best_by: Goal | None = None
    looks_at: frozenset[str | None] = EVERYTHING
    init: Init
    update: Update
    watch: Watch | None = None

    def __or__(self, other: "Rule") -> "Rule":
        """Stops when either rule fires; what has watched a run goes on from there."""
        _check_rule("|", other)
        return _joined(self, other, (*self.reasons, *other.reasons), Joined(_either))

    def __and__(self, other: "Rule") -> "Rule":
        """Stops when both fire at one epoch; what has watched a run goes on."""
        _check_rule("&", other)
        sides = [" | ".join(side.reasons) for side in (self, other)]
        both = [f"({side})" if " | " in side else side for side in sides]
        return _joined(self, other, (" & ".join(both),), Joined(_both))

    def __bool__(self) -> bool:
        """Refuses: `one or other` would be `one` alone, without a word.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "a stopping rule has no truth value: join two with | (either) or & (both), "
            "not with or, and, not; ask whether there is one by `rule is not None`."
        )

    def __eq__(self, other: object) -> bool:
        """Whether the other is a rule of the same kind with the same numbers."""
        if not isinstance(other, Rule):
            return NotImplemented
        (mine, kind), (its, other_kind) = map(jax.tree.flatten, (self, other))
        return kind == other_kind and all(
            np.array_equal(*map(np.asarray, pair), equal_nan=True)
            for pair in zip(mine, its, strict=True)
        )

    def __hash__(self) -> int:
        """Of what is no number, which are the same in rules that are equal."""
        return hash((self.reasons, self.looks_at, self.update))

    @property
    def sides(self) -> tuple["Rule", ...]:
        """The two rules that it was joined from; none in a rule by itself."""
        return self.settings if isinstance(self.update, Joined) else ()

    @property
    def has_watched(self) -> bool:
        """Whether it, or a rule in it, goes on from a run that it has watched."""
        return self.watch is not None or any(side.has_watched for side in self.sides)

    @property
    def best_goal(self) -> Goal:
        """What the best parameters go by: by default the validation loss."""
        return self._best_goal() or Goal()

    def _best_goal(self) -> Goal | None:
        if self.best_by is not None:
            return self.best_by
        of_sides = (side._best_goal() for side in self.sides)
        own = None if self.goal.on == "loss" else self.goal
        return next(filter(None, of_sides), own)

    def with_best_by(self, goal: Goal) -> "Rule":
        """The rule with best parameters that go by another goal than its own."""
        watch = self.watch
        if watch is not None and not goal.same_as(self.best_goal):
            watch = watch._replace(best=None)
        looks_at = self.looks_at | {goal.looks_at}
        return dataclasses.replace(self, best_by=goal, looks_at=looks_at, watch=watch)

    def having_seen(self, watch: Watch | None) -> "Rule":
        """The rule with what it remembers, in place of what the rules in it did."""
        settings = self.settings
        if any(side.has_watched for side in self.sides):
            settings = tuple(side.having_seen(None) for side in self.sides)
        return dataclasses.replace(self, watch=watch, settings=settings)


class Side(NamedTuple):
    """What one of two joined rules remembers.

    Attributes:
        memory: its own.
        since: how many epochs of those that both count came before its first. None
            where they began together: of a small model's epoch one number more to
            carry takes a quarter of the time.
    """

    memory: PyTree
    since: Int[Array, ""] | None = None


@dataclasses.dataclass(frozen=True)
class Joined:
    """The update of two joined rules, each of which counts its own epochs.

    Attributes:
        code: `(rule, left code, right code) -> code`.
    """

    code: Callable[[Rule, Array, Array], Array]

    def __call__(
        self, rule: Rule, memory: tuple[Side, Side], observation: Observation
    ) -> Judged:
        """Has both rules see an epoch."""
        memories, codes = [], []
        for part, side in zip(rule.sides, memory, strict=True):
            seen = observation
            if side.since is not None:
                seen = seen._replace(epoch=seen.epoch - side.since)
            after, code = part.update(part, side.memory, seen)
            memories.append(side._replace(memory=after))
            codes.append(code)
        return tuple(memories), self.code(rule, *codes)


def _check_rule(sign: str, other: object) -> None:
    if isinstance(other, Rule):
        return
    name = getattr(other, "__name__", None)
    got = repr(other) if name is None else f"the function {name}, which is to be called"
    raise TypeError(
        f"{sign} joins a stopping rule with another, such as patience(10); got {got}."
    )


def _joined(one: Rule, other: Rule, reasons: tuple[str, ...], update: Update) -> Rule:
    return Rule(
        reasons=reasons,
        settings=(one, other),
        looks_at=one.looks_at | other.looks_at,
        init=_init_pair,
        update=update,
    )


def _init_pair(rule: Rule, observation: Observation) -> tuple[Side, ...]:
    return tuple(Side(side.init(side, observation)) for side in rule.sides)


def _either(rule: Rule, left: Array, right: Array) -> Array:
    n_left = len(rule.sides[0].reasons)
    return jnp.where(left > 0, left, jnp.where(right > 0, n_left + right, 0))


def _both(rule: Rule, left: Array, right: Array) -> Array:
    del rule
    return ((left > 0) & (right > 0)).astype(jnp.int32)
