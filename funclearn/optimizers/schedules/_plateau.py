"""A learning rate that is reduced where a quantity no longer becomes better."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Int, PyTree

from funclearn._checks import check_direction
from funclearn._types import Params, Scalar, ScalarLike
from funclearn.objectives import loss_of
from funclearn.optimizers.schedules._arguments import (
    as_number,
    check_choice,
    number,
    whole,
)
from funclearn.stopping import Observation, make_goal

__all__ = ["PlateauState", "reduce_lr_on_plateau"]


class PlateauState(NamedTuple):
    """What `reduce_lr_on_plateau` carries from step to step.

    Attributes:
        lr: the learning rate.
        best: the best value so far.
        num_bad_epochs: epochs since then, or since the last reduction.
        cooldown_counter: epochs that do not count yet.
        epoch: the epoch of the last step; -1 before the first one.
        loss: the sum of its losses.
        steps: the number of its steps.
    """

    lr: Scalar
    best: Scalar
    num_bad_epochs: Int[Array, ""]
    cooldown_counter: Int[Array, ""]
    epoch: Int[Array, ""]
    loss: Scalar
    steps: Int[Array, ""]


class _Settings(NamedTuple):
    lr: ScalarLike
    mode: str
    factor: ScalarLike
    patience: ScalarLike
    threshold: ScalarLike
    relative: bool
    cooldown: ScalarLike
    min_lr: ScalarLike
    eps: ScalarLike
    on: str | None
    start: ScalarLike


def reduce_lr_on_plateau(
    lr: ScalarLike,
    mode: str = "min",
    factor: ScalarLike = 0.1,
    patience: ScalarLike = 10,
    threshold: ScalarLike = 1e-4,
    threshold_mode: str = "rel",
    cooldown: ScalarLike = 0,
    min_lr: ScalarLike = 0.0,
    eps: ScalarLike = 1e-8,
    *,
    on: str | None = None,
    start: ScalarLike = 1,
) -> optax.GradientTransformationExtraArgs:
    """Reduces the learning rate where nothing becomes better, as `ReduceLROnPlateau`.

    It is chained after an optimizer, whose changes have to be proportional to its
    learning rate (those of `rprop` and `asgd` are not), and multiplies them by the
    reduced rate over `lr`. It looks once an epoch, at its first step, whatever the size
    of the batches: `update` takes the keywords `epoch`, `evaluation` and `value`, which
    a train step gives. Where it is given no `epoch`, every step is one.

    What PyTorch's loop calls `scheduler.step(validate())` with at the end of an epoch
    is what `fit` evaluates at the start of the next one. So the first evaluation, of
    the parameters that the run starts from, does not count.

    Args:
        lr: the optimizer's learning rate.
        mode: `"min"` if less is better, `"max"` if more is.
        factor: what the rate is multiplied by.
        patience: how many epochs without a better value are let pass.
        threshold: how much better a value has to be.
        threshold_mode: `"rel"` for a part of the best value, `"abs"` for a difference.
        cooldown: how many epochs after a reduction do not count.
        min_lr: the least rate.
        eps: a reduction by less is not made.
        on: what is watched, by its name in `funclearn.stopping`: `"validation"`, the
            name of another entry of what `evaluate` returned, or `"loss"`, the mean of
            the last epoch's training losses; None for the validation loss where there
            is one, else the training loss.
        start: the number of epochs, from the first one, whose evaluation does not
            count; 0 if that before the first update counts too.

    Returns:
        A transformation whose state has the rate, `lr`. Its `update` raises ValueError
        where the quantity is not there, and TypeError without `value` if it is the
        training loss.

    Raises:
        TypeError: if `on` is neither a string nor None.
        ValueError: if `lr`, `min_lr` or `eps` is negative, `factor` not less than 1,
            `patience`, `cooldown` or `start` no integer of at least 0, or `mode` or
            `threshold_mode` another one.

    Example:
        >>> reduced = fl.optimizers.schedules.reduce_lr_on_plateau(0.8, patience=0)
        >>> optimizer = optax.chain(fl.optimizers.sgd(0.8), reduced)
        >>> w = jnp.ones(())
        >>> state = optimizer.init(w)
        >>> for loss in (5.0, 3.0, 2.0, 4.0, 1.0):
        ...     change, state = optimizer.update(w, state, evaluation=loss)
        ...     print(f"{change:.2f}")
        -0.80
        -0.80
        -0.80
        -0.08
        -0.08
    """
    check_direction("mode", mode)
    check_choice("threshold_mode", threshold_mode, ("rel", "abs"))
    make_goal(on, mode)  # refuses what is no name
    settings = _Settings(
        lr=number("lr", lr, at_least=0.0),
        mode=mode,
        factor=number("factor", factor, below=1.0),
        patience=whole("patience", patience, 0),
        threshold=number("threshold", threshold),
        relative=threshold_mode == "rel",
        cooldown=whole("cooldown", cooldown, 0),
        min_lr=number("min_lr", min_lr, at_least=0.0),
        eps=number("eps", eps, at_least=0.0),
        on=on,
        start=whole("start", start, 0),
    )
    return _transformation(settings)


def _transformation(settings: _Settings) -> optax.GradientTransformationExtraArgs:
    lr = as_number(settings.lr)

    def init(params: Params) -> PlateauState:
        del params
        worst = as_number(jnp.inf if settings.mode == "min" else -jnp.inf)
        none = jnp.zeros((), jnp.int32)
        epoch, loss = none - 1, as_number(0.0)
        return PlateauState(lr, worst, none, none, epoch, loss, none)

    def update(
        updates: Params,
        state: PyTree,
        params: Params | None = None,
        *,
        epoch: int | Int[Array, ""] | None = None,
        evaluation: PyTree = None,
        value: ScalarLike | None = None,
        **_: Any,
    ) -> tuple[Params, PlateauState]:
        del params
        now = jnp.asarray(state.epoch + 1 if epoch is None else epoch, jnp.int32)
        fresh = now != state.epoch
        current, there = _watched(settings.on, state, evaluation, value)
        judged = _judged(state, current, settings)
        counts = fresh & (now >= settings.start) & there
        state = jax.tree.map(lambda *pair: jnp.where(counts, *pair), judged, state)
        loss = as_number(0.0 if value is None else value)
        state = state._replace(
            epoch=now,
            loss=jnp.where(fresh, loss, state.loss + loss),
            steps=jnp.where(fresh, 1, state.steps + 1),
        )
        # A rate of 0 is not reduced, and makes no changes to multiply by 0 / 0.
        share = jnp.where(lr == 0, 1, state.lr / jnp.where(lr == 0, 1, lr))
        return _multiplied(updates, share), state

    return optax.GradientTransformationExtraArgs(init, update)


def _watched(
    on: str | None, state: PlateauState, evaluation: PyTree, value: ScalarLike | None
) -> tuple[Scalar, ArrayLike]:
    """The quantity, and whether there is one already."""
    if on == "loss" or (on is None and evaluation is None):
        if value is None:
            raise TypeError(
                "reduce_lr_on_plateau needs the keyword evaluation, or value for the "
                "training loss; got neither."
            )
        there = state.steps > 0
        return state.loss / jnp.maximum(state.steps, 1), there
    seen = Observation(
        loss=state.loss,
        validation=loss_of(evaluation),
        grads=None,
        before=None,
        after=None,
        evaluation=evaluation,
    )
    return as_number(seen.watched(on, "reduce_lr_on_plateau watches")), True


def _judged(state: PlateauState, current: Scalar, to: _Settings) -> PlateauState:
    """The state after PyTorch's `step(current)`."""
    sign = 1.0 if to.mode == "min" else -1.0
    limit = state.best - sign * to.threshold
    if to.relative:
        limit = state.best * (1.0 - sign * to.threshold)
    better = sign * current < sign * limit
    bad = jnp.where(better, 0, state.num_bad_epochs + 1)
    cooling = state.cooldown_counter > 0
    cooldown = state.cooldown_counter - cooling
    bad = jnp.where(cooling, 0, bad)
    tired = bad > to.patience
    reduced = jnp.maximum(state.lr * to.factor, to.min_lr)
    changes = tired & (state.lr - reduced > to.eps)
    return state._replace(
        lr=jnp.where(changes, reduced, state.lr),
        best=jnp.where(better, current, state.best),
        num_bad_epochs=jnp.where(tired, 0, bad),
        cooldown_counter=jnp.where(tired, to.cooldown, cooldown),
    )


def _multiplied(updates: Params, share: Scalar) -> Params:
    def multiplied(leaf: Array) -> Array:
        # In half precision a small share would be zero.
        wide = jnp.promote_types(leaf.dtype, jnp.float32)
        return (leaf.astype(wide) * share.astype(wide)).astype(leaf.dtype)

    return jax.tree.map(multiplied, jax.tree.map(jnp.asarray, updates))
