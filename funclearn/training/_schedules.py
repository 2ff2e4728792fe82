"""Schedules that count epochs, where optax's count steps."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from funclearn._types import Params, ScalarLike
from funclearn._words import described

__all__ = ["scale_by_epoch"]


def scale_by_epoch(
    schedule: Callable[[Any], ScalarLike],
) -> optax.GradientTransformationExtraArgs:
    """Multiplies updates by a number that depends on the epoch.

    Args:
        schedule: `epoch -> number`, any schedule of optax; of the number of epochs that
            were made, which `make_train_step` tells: 0 in all steps of the first one.

    Returns:
        A transformation without a state, to be chained after an optimizer of rate 1.

    Raises:
        TypeError: if `schedule` is not a function; when it is called without the
            keyword `epoch`.

    Example:
        >>> def objective(w, batch, key):
        ...     return jnp.mean(w * batch)
        >>> schedule = optax.piecewise_constant_schedule(0.5, {2: 0.5})
        >>> optimizer = optax.chain(
        ...     optax.sgd(1.0), fl.training.scale_by_epoch(schedule)
        ... )
        >>> step = fl.make_train_step(objective, optimizer)
        >>> state = fl.init_state(jax.random.key(0), 8.0, optimizer)
        >>> def record(state, info, evaluation):
        ...     return state.params
        >>> run = fl.fit(
        ...     step, state, jnp.ones(4), epochs=4, batch_size=2, record=record
        ... )
        >>> print(run.history)  # two steps of 0.5 an epoch, then of 0.25
        [7.  6.  5.5 5. ]
    """
    if not callable(schedule):
        raise TypeError(
            "schedule must be a function of the epoch, such as optax.cosine_decay_"
            f"schedule(0.1, 100); got {described(schedule)}."
        )

    def init(params: Params) -> optax.EmptyState:
        del params
        return optax.EmptyState()

    def update(
        updates: Params,
        state: PyTree,
        params: Params = None,
        *,
        epoch: Any = None,
        **_: Any,
    ) -> tuple[Params, PyTree]:
        del params
        if epoch is None:
            raise TypeError("scale_by_epoch needs the keyword epoch; got none.")
        factor = schedule(epoch)
        scaled = jax.tree.map(
            lambda leaf: jnp.asarray(factor, leaf.dtype) * leaf, updates
        )
        return scaled, state

    return optax.GradientTransformationExtraArgs(init, update)
