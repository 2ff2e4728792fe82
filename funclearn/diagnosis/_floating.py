"""A run whose parameters are not all floating-point, as one of those that are."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PRNGKeyArray, PyTree

from funclearn._types import Batch, Objective, Params, Scalar
from funclearn.training import StepInfo, TrainState, TrainStep

__all__ = ["Floating", "floating_leaves", "only_floating"]


_Both: TypeAlias = tuple[optax.OptState, list[jax.Array]]


class Floating(NamedTuple):
    """A problem in the parameters that have a gradient.

    Attributes:
        objective: of these alone, the others as they were at the start.
        train_step: of states as `of` makes them.
        of: takes the other parameters of a state into the state of the optimizer.
    """

    objective: Objective
    train_step: TrainStep
    of: Callable[[TrainState], TrainState]


def floating_leaves(tree: PyTree) -> list[jax.Array]:
    """The floating-point leaves of a pytree."""
    return [leaf for leaf in jax.tree.leaves(tree) if _is_floating(leaf)]


def only_floating(
    objective: Objective, train_step: TrainStep, start: TrainState
) -> Floating:
    """The same problem without the parameters that are integers, bools or keys."""
    leaves, structure = jax.tree.flatten(start.params)
    if all(map(_is_floating, leaves)):
        return Floating(objective, train_step, lambda state: state)

    def split(state: TrainState) -> TrainState:
        others = _others(state.params)
        free = floating_leaves(state.params)
        return state._replace(params=free, opt_state=(state.opt_state, others))

    def join(free: list[jax.Array], others: list[jax.Array]) -> Params:
        rest, floats = iter(others), iter(free)
        joined = [next(floats if _is_floating(leaf) else rest) for leaf in leaves]
        return jax.tree.unflatten(structure, joined)

    fixed = _others(start.params)

    def of_floating(params: list[jax.Array], batch: Batch, key: PRNGKeyArray) -> Scalar:
        return objective(join(params, fixed), batch, key)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, StepInfo]:
        opt_state, others = cast(_Both, state.opt_state)
        whole = state._replace(
            params=join(cast(list[jax.Array], state.params), others),
            opt_state=opt_state,
        )
        after, info = train_step(whole, batch)
        return split(after), info

    return Floating(of_floating, step, split)


def _others(tree: PyTree) -> list[jax.Array]:
    return [leaf for leaf in jax.tree.leaves(tree) if not _is_floating(leaf)]


def _is_floating(leaf: object) -> bool:
    return bool(jnp.issubdtype(jnp.result_type(leaf), jnp.floating))
