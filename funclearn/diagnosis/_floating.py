"""A run in which not all has a gradient, as one of the parameters that have."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias, cast

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from funclearn._notes import Noted, own, trainable
from funclearn._types import Batch, Objective, Params, Scalar
from funclearn.training import StepInfo, TrainState, TrainStep, prepare_state

__all__ = ["Floating", "floating_leaves", "only_floating"]


_Both: TypeAlias = tuple[PyTree, list[jax.Array]]


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
    start = prepare_state(train_step, start)
    # Nor are what a model notes beside them.
    is_free = jax.tree.leaves(_marked(start.params))
    if all(is_free):
        return Floating(objective, train_step, lambda state: state)
    structure = jax.tree.structure(start.params)

    def parts(params: Params, which: bool) -> list[jax.Array]:
        pairs = zip(jax.tree.leaves(params), is_free, strict=True)
        return [leaf for leaf, free in pairs if free is which]

    def split(state: TrainState) -> TrainState:
        state = prepare_state(train_step, state)
        others = parts(state.params, False)
        free = parts(state.params, True)
        return state._replace(params=free, opt_state=(state.opt_state, others))

    def join(free: list[jax.Array], others: list[jax.Array]) -> Params:
        rest, floats = iter(others), iter(free)
        joined = [next(floats if mark else rest) for mark in is_free]
        return jax.tree.unflatten(structure, joined)

    fixed = parts(start.params, False)

    def of_floating(params: list[jax.Array], batch: Batch, key: PRNGKeyArray) -> Scalar:
        return objective(own(join(params, fixed)), batch, key)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, StepInfo]:
        opt_state, others = cast(_Both, state.opt_state)
        whole = state._replace(
            params=join(cast(list[jax.Array], state.params), others),
            opt_state=opt_state,
        )
        after, info = train_step(whole, batch)
        return split(after), info

    return Floating(of_floating, step, split)


def _marked(params: Params) -> PyTree:
    """Whether a leaf has a gradient."""
    marks = jax.tree.map(_is_floating, trainable(params))
    if isinstance(params, Noted):
        return Noted(marks, jax.tree.map(lambda _: False, params.notes))
    return marks


def _is_floating(leaf: object) -> bool:
    return bool(jnp.issubdtype(jnp.result_type(leaf), jnp.floating))
