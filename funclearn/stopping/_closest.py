"""How close to firing a rule is, for whoever watches a run."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import PyTree

from funclearn.stopping._rule import Rule, Side

__all__ = ["closest"]


class _Count(NamedTuple):
    name: str
    done: int
    needed: int


def closest(rule: Rule | None) -> str | None:
    """Which part of a rule is closest to firing, as `"patience 7/10"`.

    Args:
        rule: with what it remembers, as in `run.stop`; not of a mapped run.

    Returns:
        The name, how many epochs it has counted, and how many it needs; None if no rule
        in it counts epochs, as `max_epochs`, `patience` and `getting_worse` do.

    Example:
        >>> rule = fl.stopping.max_epochs(8) | fl.stopping.diverged()
        >>> step = fl.make_train_step(
        ...     lambda w, batch, key: jnp.square(w - batch[0]), optax.sgd(0.1)
        ... )
        >>> state = fl.init_state(jax.random.key(0), 1.0, optax.sgd(0.1))
        >>> run = fl.fit(step, state, jnp.zeros(1), epochs=3, stop=rule)
        >>> print(fl.stopping.closest(run.stop))
        max_epochs 3/8
    """
    if rule is None or rule.watch is None:
        return None
    counts = list(_counts(rule, rule.watch.memory, int(rule.watch.epoch)))
    if not counts:
        return None
    name, done, needed = max(counts, key=lambda count: count.done / count.needed)
    return f"{name} {done}/{needed}"


def _counts(rule: Rule, memory: PyTree, epoch: int) -> Iterator[_Count]:
    """What the rules in a rule have counted."""
    if rule.sides:
        for part, side in zip(rule.sides, memory, strict=True):
            yield from _counts(part, *_of_side(side, epoch))
        return
    (name,), settings = rule.reasons, rule.settings
    if name == "max_epochs":
        yield _Count(name, epoch, int(np.asarray(settings)))
    elif name in ("patience", "getting_worse"):
        needed = settings[0] if name == "patience" else settings
        yield _Count(name, int(np.asarray(memory[1])), int(np.asarray(needed)))


def _of_side(side: Side, epoch: int) -> tuple[PyTree, int]:
    since = 0 if side.since is None else int(np.asarray(side.since))
    return side.memory, epoch - since
