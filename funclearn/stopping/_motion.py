"""Rules on what the updates move: the gradient and the parameters.

What a model notes beside its parameters takes no part, and neither does what is frozen.
That is known by its never moving: which updates are zero is the optimizer's own affair
(masks, labels, learning rates of zero).
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

from funclearn._notes import trainable
from funclearn._types import ScalarLike
from funclearn.stopping._goal import Goal
from funclearn.stopping._making import AfterStart, fires, make_rule
from funclearn.stopping._observation import Observation, sum_of_squares
from funclearn.stopping._rule import Judged, Rule
from funclearn.stopping._settings import check_size

__all__ = ["gradient_norm", "still"]


def gradient_norm(tolerance: ScalarLike) -> Rule:
    """Stops when the gradient is short: its Euclidean norm is at most `tolerance`.

    The gradient of a frozen leaf never shrinks, so only leaves of the parameters count
    that an update has changed since the rule began to watch; as long as none has, all
    do. What has not moved for being too large for its updates counts as frozen, too.

    Args:
        tolerance: in the loss's unit over the parameters'.

    Raises:
        TypeError: if `tolerance` is not a real number.
        ValueError: if it is negative or NaN, or has a shape.
    """
    check_size("tolerance", tolerance)
    quantities = "grads", "parameters"
    return make_rule("gradient_norm", tolerance, quantities, _no_leaf, _gradient_norm)


def still(tolerance: ScalarLike, start: ScalarLike | None) -> Rule:
    """`relative_change(tolerance, on="parameters", start=start)`."""
    update = _still if start is None else AfterStart(_still)
    goal, quantities = Goal("loss", start=start), ("parameters",)
    return make_rule("relative_change", tolerance, quantities, _no_number, update, goal)


def _numbers(tree: PyTree, params: PyTree) -> list[Array]:
    """The leaves at the places of floating parameters, which alone are trained."""
    tree, params = trainable(tree), trainable(params)
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(params), strict=True)
    return [leaf for leaf, param in pairs if jnp.issubdtype(param.dtype, jnp.inexact)]


def _parameters(observation: Observation) -> list[Array]:
    return _numbers(observation.before, observation.before)


def _no_number(rule: Rule, observation: Observation) -> list[Bool[Array, "..."]]:
    del rule
    return [jnp.zeros(leaf.shape, bool) for leaf in _parameters(observation)]


def _no_leaf(rule: Rule, observation: Observation) -> list[Bool[Array, ""]]:
    del rule
    return [jnp.zeros((), bool) for _ in _parameters(observation)]


def _changed(observation: Observation) -> list[Bool[Array, "..."]]:
    before, after = observation.before, observation.after
    pairs = zip(_numbers(before, before), _numbers(after, before), strict=True)
    return [old != new for old, new in pairs]


def _counting(moved: list[Array], leaves: list[Array]) -> list[Array]:
    """The leaves with zeros where nothing has moved, unless that is everywhere."""
    none = ~functools.reduce(jnp.logical_or, map(jnp.any, moved), jnp.zeros((), bool))
    pairs = zip(moved, leaves, strict=True)
    return [jnp.where(once | none, leaf, 0) for once, leaf in pairs]


@fires
def _gradient_norm(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    changed = [jnp.any(leaf) for leaf in _changed(observation)]
    moved = list(map(jnp.logical_or, memory, changed))
    grads, params = observation.grads, trainable(observation.before)
    # A step of one's own may show a gradient of another structure: then all count.
    if jax.tree.structure(grads) == jax.tree.structure(params):
        squares = sum_of_squares(_counting(moved, _numbers(grads, params)))
    else:
        squares = observation.squared_gradient_norm
    # Squares are compared: a root has no derivative at 0.
    return moved, squares <= jnp.square(rule.settings)


@fires
def _still(rule: Rule, memory: PyTree, observation: Observation) -> Judged:
    moved = list(map(jnp.logical_or, memory, _changed(observation)))
    before = _parameters(observation)
    after = _numbers(observation.after, observation.before)
    steps = [new - old for new, old in zip(after, before, strict=True)]
    norm = jnp.sqrt(sum_of_squares(_counting(moved, before)))
    return moved, jnp.sqrt(sum_of_squares(steps)) <= rule.settings * norm
