"""Lanes of a mapped loop: it goes on while one of them does, and holds the others back.

Under `jax.vmap` a while loop with a condition of its own in every lane copies its whole
carry, the history too, at every trip to hold back the lanes that are done (JAX's
batching rule, 0.10.2 to 0.12.0.1). Here the condition is one for all lanes, and of what
the loop carries only the small state is chosen lane by lane. Were that to change, the
bits would stay and a sweep with a stopping rule be many times slower, which
`python -m benchmarks.sweeps` shows.
"""

import functools
import itertools
import operator
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

__all__ = [
    "Choose",
    "any_lane",
    "axes_of",
    "choose_lanes",
    "select",
    "settled",
    "where",
]

_PARTS = 8  # of the lanes, to be compared with each other as whole vectors

Choose: TypeAlias = Callable[[Bool[Array, ""], PyTree, PyTree], PyTree]
"""`(active, new, old) -> new where the lane is active, else old`."""


@jax.custom_batching.custom_vmap
def any_lane(running: Bool[Array, ""]) -> Bool[Array, ""]:
    """Whether any lane is running: the same in all of them."""
    return running


@any_lane.def_vmap
def _any_lane_vmap(
    axis_size: int, batched: PyTree, running: PyTree
) -> tuple[PyTree, bool]:
    del batched
    # In two steps: the compiler takes whole vectors in the first alone.
    if axis_size % _PARTS == 0:
        parts = jnp.any(running.reshape(_PARTS, -1), axis=0)
        running = jax.lax.optimization_barrier(parts)
    return any_lane(jnp.any(running)), False


def where(active: Bool[Array, ""], new: PyTree, old: PyTree) -> PyTree:
    """Chooses in every lane, and where there is but one."""
    return jax.tree.map(functools.partial(jnp.where, active), new, old)


@jax.custom_batching.custom_vmap
def choose_lanes(active: Bool[Array, ""], new: PyTree, old: PyTree) -> PyTree:
    """Chooses in every lane of a loop that goes on while `any_lane` does."""
    # Where there is but one lane, the loop runs only while it is active.
    del active, old
    return new


@choose_lanes.def_vmap
def _choose_lanes_vmap(
    axis_size: int, batched: PyTree, active: PyTree, new: PyTree, old: PyTree
) -> tuple[PyTree, PyTree]:
    # As `jnp.where` and `jax.lax.cond` map, so that both loops do alike.
    chosen = jax.tree.map(lambda *mapped: batched[0] or any(mapped), *batched[1:])
    choose = jax.vmap(
        where,
        in_axes=axes_of(tuple(batched)),
        out_axes=axes_of(chosen),
        axis_size=axis_size,
    )
    return choose(active, new, old), chosen


def axes_of(batched: PyTree) -> PyTree:
    """Of what is batched along its first axis, the axes for `jax.vmap`."""
    return jax.tree.map(lambda mapped: 0 if mapped else None, batched)


def select(
    choose: Choose, active: Bool[Array, ""], which: list[bool], new: PyTree, old: PyTree
) -> PyTree:
    """Chooses among some leaves; the others are the same in both."""
    leaves, structure = jax.tree.flatten(new)
    before = jax.tree.leaves(old)
    pairs = [list(itertools.compress(x, which)) for x in (leaves, before)]
    chosen = iter(choose(active, *pairs))
    leaves = [next(chosen) if x else y for x, y in zip(which, before, strict=True)]
    return jax.tree.unflatten(structure, leaves)


def settled(
    one: Callable[[PyTree, PyTree], tuple[PyTree, PyTree]],
    size: int,
    batched: list[PyTree],
    captured: PyTree,
    carry: PyTree,
) -> tuple[PyTree, PyTree, PyTree]:
    """Gives every lane its own of what comes to differ among them.

    All else stays one for all lanes, such as a key or a counter, and what a step
    derives from them.

    Args:
        one: `(captured, carry) -> (carry, row)`, a trip of one lane.
        size: how many lanes there are.
        batched: by leaf of the next two, whether lanes have their own.
        captured: what a trip needs and does not change.
        carry: where to start.

    Returns:
        The carry, by leaf of it whether lanes have their own, and the types of a row.
    """
    of_captured, of_carry = batched
    while True:
        axes = axes_of(of_captured), axes_of(of_carry)
        after, row = _mapped_results(one, size, axes, captured, carry)
        known, of_carry = of_carry, jax.tree.map(operator.or_, of_carry, after)
        if of_carry == known:
            return carry, of_carry, row
        carry = jax.tree.map(
            lambda leaf, was, is_now: (
                leaf
                if was == is_now
                else jnp.broadcast_to(leaf, (size, *jnp.shape(leaf)))
            ),
            carry,
            known,
            of_carry,
        )


def _mapped_results(
    one: Callable[[PyTree, PyTree], tuple[PyTree, PyTree]],
    size: int,
    axes: tuple[PyTree, PyTree],
    captured: PyTree,
    carry: PyTree,
) -> tuple[PyTree, PyTree]:
    """By leaf of the next carry, whether it differs among lanes; the types of a row."""
    found = jax.tree.map(lambda _: False, carry)

    @jax.custom_batching.custom_vmap
    def look(carry: PyTree) -> PyTree:
        return carry

    @look.def_vmap
    def mapped(_: int, batched: list[PyTree], carry: PyTree) -> tuple[PyTree, PyTree]:
        nonlocal found
        (found,) = batched
        return carry, found

    def lane(captured: PyTree, carry: PyTree) -> PyTree:
        carry, row = one(captured, carry)
        look(carry)
        return row

    lanes = jax.vmap(lane, axes, axis_size=size)
    closed, shapes = jax.make_jaxpr(lanes, return_shape=True)(captured, carry)
    # Inside `jax.shard_map` these types tell over which devices a value varies.
    return found, jax.tree.unflatten(jax.tree.structure(shapes), closed.out_avals)
