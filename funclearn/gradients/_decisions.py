"""Decisions that a program takes on numbers which depend on no parameter.

Whether 7 * (3 / 7) is below 3 is decided by rounding. What a function does is what it
decides in its own precision, so a number that no parameter moves is known twice: in
float64 for what is computed with it, and in the function's own precision for what is
decided by it: comparisons, casts to integers, floors, remainders, orders.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from funclearn import _jaxprs
from funclearn._jaxprs import JaxprEqn
from funclearn.gradients._rounding import Value, is_inexact, widen

__all__ = ["Both", "dropped", "run_in_both"]

# What they give is a choice among few numbers.
_CHOOSE = ("ceil", "floor", "nextafter", "round", "sign")


class Both(NamedTuple):
    """A value as a program computes it in float64 and in its own precision.

    Attributes:
        wide: in float64, unless it holds integers or keys.
        own: in its own precision; None if it depends on a parameter.
    """

    wide: Value
    own: Value | None


def dropped(values: Sequence[Both], moved: Sequence[bool]) -> list[Both]:
    """Forgets the own precision of what depends on a parameter."""
    pairs = zip(values, moved, strict=True)
    return [Both(value.wide, None if drop else value.own) for value, drop in pairs]


def run_in_both(
    equation: JaxprEqn,
    operands: Sequence[Both],
    run: Callable[[list[Value]], list[Value]],
) -> list[Both]:
    """Carries out an operation; what is known in its own precision decides.

    Args:
        equation: the operation.
        operands: what it is given.
        run: carries it out in float64.
    """
    if not equation.outvars:
        return []  # it prints, or the like
    name = equation.primitive.name
    wide = [operand.wide for operand in operands]
    own = [operand.own for operand in operands if operand.own is not None]
    if name == "sort" and _are_known(operands[: equation.params["num_keys"]]):
        return _sort(equation, operands)
    if len(own) < len(operands):
        return [Both(result, None) for result in run(wide)]
    results = _jaxprs.bind(equation, own)
    if name == "rem" and is_inexact(wide[0]):
        decided = [_remainder(*wide, *own, *results)]
    elif name == "top_k":
        decided = [
            _taken(wide[0], results[1], equation.params.get("axis", -1)),
            results[1],
        ]
    elif name in _CHOOSE or _decides(operands, results):
        decided = [*map(widen, results)]
    else:
        decided = run(wide)
    return [Both(*pair) for pair in zip(decided, results, strict=True)]


def _are_known(operands: Sequence[Both]) -> bool:
    return all(operand.own is not None for operand in operands)


def _decides(operands: Sequence[Both], results: Sequence[Value]) -> bool:
    """Whether all that an operation gives are integers that own numbers decide."""
    if any(map(is_inexact, results)):
        return False
    # Integers that came with numbers, as the pivots of a factorization, belong to them:
    # what is made of integers alone is made of those of either precision.
    return any(x.wide is x.own or is_inexact(x.wide) for x in operands) or not operands


def _sort(equation: JaxprEqn, operands: Sequence[Both]) -> list[Both]:
    dimension, n_keys = equation.params["dimension"], equation.params["num_keys"]
    keys = [cast(Array, key.own) for key in operands[:n_keys]]
    places = lax.broadcasted_iota(jnp.int32, keys[0].shape, dimension)
    *_, order = _jaxprs.bind(equation, [*keys, places])
    return [
        Both(
            _taken(operand.wide, order, dimension),
            None if operand.own is None else _taken(operand.own, order, dimension),
        )
        for operand in operands
    ]


def _taken(values: Value, places: Value, axis: int) -> Array:
    values, places = jnp.asarray(values), jnp.asarray(places)
    return jnp.take_along_axis(values, places, axis, mode="clip")


def _remainder(
    x: Value, y: Value, own_x: Value, own_y: Value, own_result: Value
) -> Array:
    """What is left of x after as many y as go into it in their own precision."""
    x, y, whole, part, rest = (
        jnp.asarray(value) for value in (x, y, *map(widen, (own_x, own_y, own_result)))
    )
    times = jnp.round((whole - rest) / part)
    # No infinite y goes into x, but zero times it would be no number.
    return jnp.where(times == 0, x, x - times * y)
