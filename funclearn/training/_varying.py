"""Loops inside `jax.shard_map`: what comes to vary over the devices must do so at once.

There a type says over which devices a value varies, and what a loop carries must keep
its type. A state that is the same on all devices differs after a step with a rate of
each device's own, so it is told to vary before the loop; elsewhere nothing is done.
"""

import operator
from collections.abc import Callable

import jax
from jaxtyping import PyTree

from funclearn._jaxprs import vary, vary_as, varying_axes

__all__ = ["varied", "vary_as", "vary_together"]


def vary_together(new: PyTree, old: PyTree, like: PyTree) -> PyTree:
    """Has all that changes vary over the devices over which any of some values does.

    Of two lanes on two devices that differ, one may be held back and one not, and with
    it all that it carries.

    Args:
        new: a pytree.
        old: the same before, whose arrays are left as they are; None leaves none.
        like: the values.
    """
    kinds = map(jax.typeof, jax.tree.leaves(like))
    axes = frozenset().union(*map(varying_axes, kinds))
    kept = set(map(id, jax.tree.leaves(old)))
    return jax.tree.map(lambda x: x if id(x) in kept else vary(x, axes), new)


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
