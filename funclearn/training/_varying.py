"""Loops inside `jax.shard_map`: what comes to vary over the devices must do so at once.

There a type says over which devices a value varies, and what a loop carries must keep
its type. A state that is the same on all devices differs after a step with a rate of
each device's own, so it is told to vary before the loop; elsewhere nothing is done.
"""

import operator
from collections.abc import Callable

import jax
from jaxtyping import PyTree

__all__ = ["varied", "vary_as", "vary_together"]


def vary_as(value: PyTree, like: PyTree) -> PyTree:
    """Has a value vary over the devices as another does.

    Args:
        value: an array.
        like: another, or its type.
    """
    return _vary(value, _axes(like))


def vary_together(new: PyTree, old: PyTree, like: PyTree) -> PyTree:
    """Has all that changes vary over the devices over which any of some values does.

    Of two lanes on two devices that differ, one may be held back and one not, and with
    it all that it carries.

    Args:
        new: a pytree.
        old: the same before, whose arrays are left as they are; None leaves none.
        like: the values.
    """
    axes = frozenset().union(*(_axes(jax.typeof(x)) for x in jax.tree.leaves(like)))
    kept = set(map(id, jax.tree.leaves(old)))
    return jax.tree.map(lambda x: x if id(x) in kept else _vary(x, axes), new)


def varied(
    step: Callable[[PyTree], tuple[PyTree, PyTree]], carry: PyTree
) -> tuple[PyTree, PyTree]:
    """Has a carry vary over the devices as it will after however many steps.

    Args:
        step: `carry -> (carry, result)`.
        carry: where to start.

    Returns:
        The carry, and the types of the result.
    """
    while True:
        after, result = jax.eval_shape(step, carry)
        # What comes to vary in one step may make more vary in the next.
        known, carry = carry, jax.tree.map(vary_as, carry, after)
        if all(map(operator.is_, *map(jax.tree.leaves, (known, carry)))):
            return carry, result


def _vary(value: PyTree, axes: frozenset[str]) -> PyTree:
    new = tuple(axes - _axes(jax.typeof(value)))
    return jax.lax.pcast(value, new, to="varying") if new else value


def _axes(kind: PyTree) -> frozenset[str]:
    return getattr(getattr(kind, "manual_axis_type", None), "varying", frozenset())
