"""Long loops cut into segments, so that reverse mode needs to keep few of their states.

Reverse mode keeps what every step of a scan computed, until it comes back to it. Cut
into segments of about √n steps it keeps the state before each of the √n segments, and
what the steps of one segment computed, which it computes again on its way back
(Griewank's checkpointing, with one level of it for every loop within a loop).
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn, primitives
from jaxtyping import Array, PyTree

from funclearn._jaxprs._equations import called, inner_jaxprs
from funclearn._jaxprs._evaluation import apply, interpret
from funclearn._jaxprs._loops import scan_of
from funclearn._jaxprs._tracing import eval_jaxpr

__all__ = ["in_segments"]

# A shorter loop keeps little, and its segments would be of a few steps each.
_SHORTEST = 16


def in_segments(function: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """The same function, whose reverse mode keeps few states of its loops.

    Loops in calls, branches and other loops are found, and so are those that take the
    place of an operation where it is differentiated (`jax.custom_jvp`). Those within
    `jax.custom_vjp`, or mapped over devices, are left as they are.

    Args:
        function: of pytrees of arrays, to a pytree of arrays.
    """

    @functools.wraps(function)
    def segmented(*arguments: PyTree, **keywords: PyTree) -> PyTree:
        trace = jax.make_jaxpr(function, return_shape=True)
        closed, shapes = trace(*arguments, **keywords)
        results = _run(closed, jax.tree.leaves((arguments, keywords)))
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return segmented


def _run(jaxpr: ClosedJaxpr, arguments: Sequence[Any]) -> list[Any]:
    if not _has_loops(jaxpr):
        return eval_jaxpr(jaxpr.jaxpr, jaxpr.consts, *arguments)
    return interpret(jaxpr, arguments, _rule)


def _has_loops(jaxpr: ClosedJaxpr) -> bool:
    """Whether there is a loop to be cut, or one that may have such a derivative."""
    return any(
        equation.primitive is primitives.while_p
        or _is_long(equation)
        or any(map(_has_loops, inner_jaxprs(equation)))
        for equation in jaxpr.eqns
    )


def _is_long(equation: JaxprEqn) -> bool:
    scans = equation.primitive is primitives.scan_p
    return scans and equation.params["length"] >= _SHORTEST


def _rule(equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
    if not any(map(_has_loops, inner_jaxprs(equation))) and not _is_long(equation):
        return apply(equation, operands)
    rule = {
        primitives.cond_p: _cond,
        primitives.custom_jvp_call_p: _with_derivative,
        primitives.jit_p: _call,
        primitives.scan_p: _scan,
    }.get(equation.primitive, apply)
    return rule(equation, operands)


def _call(equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
    inside = called(equation)
    assert inside is not None
    # Still a call, with its marks: what it is merged with decides how XLA rounds.
    with equation.ctx.manager:
        return jax.jit(lambda *given: _run(inside, given))(*operands)


def _cond(equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
    index, *others = operands

    def branch(jaxpr: ClosedJaxpr) -> Callable[..., list[Any]]:
        return lambda *given: _run(jaxpr, given)

    branches = [branch(jaxpr) for jaxpr in inner_jaxprs(equation)]
    return jax.lax.switch(index, branches, *others)


def _with_derivative(equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
    """An operation with a rule for its derivative, which may well be a loop."""

    def original(*given: Any) -> list[Any]:
        return apply(equation, given)

    @jax.custom_jvp
    def call(*given: Any) -> list[Any]:
        return original(*given)

    @call.defjvp
    def call_jvp(primals: Any, tangents: Any) -> tuple[list[Any], list[Any]]:
        moving = [tangent.dtype != jax.dtypes.float0 for tangent in tangents]
        moves = [x for x, moved in zip(tangents, moving, strict=True) if moved]

        def jvp(primals: Any, moves: Any) -> tuple[list[Any], list[Any]]:
            left = iter(moves)
            given = [
                next(left) if moved else fixed
                for moved, fixed in zip(moving, tangents, strict=True)
            ]
            results, changes = jax.jvp(original, primals, tuple(given))
            return results, [x for x in changes if x.dtype != jax.dtypes.float0]

        results, changes = in_segments(jvp)(primals, moves)
        left = iter(changes)
        return results, [
            next(left)
            if jnp.issubdtype(result.dtype, jnp.inexact)
            else np.zeros(result.shape, jax.dtypes.float0)
            for result in results
        ]

    return call(*operands)


def _scan(equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
    scan = scan_of(equation, operands)
    n_carried = len(scan.carry)

    def step(carry: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
        results = _run(scan.body, [*scan.constants, *carry, *row])
        return results[:n_carried], results[n_carried:]

    def steps(carry: list[Any], rows: list[Any], length: int) -> Any:
        unroll, reverse = equation.params["unroll"], scan.reverse
        return jax.lax.scan(step, carry, rows, length, reverse, unroll)

    if not _is_long(equation):
        return _joined(steps(scan.carry, scan.rows, scan.length))
    size = math.isqrt(scan.length - 1) + 1
    n_segments, n_left = divmod(scan.length, size)

    @jax.checkpoint
    def segment(carry: list[Any], rows: list[Any]) -> Any:
        return steps(carry, rows, size)

    # Those that are left come last, which are the first rows of a loop in reverse.
    parts = [_split(x, n_left, scan.reverse) for x in scan.rows]
    cut = [x.reshape(n_segments, size, *x.shape[1:]) for x, _ in parts]
    carry, made = jax.lax.scan(segment, scan.carry, cut, n_segments, scan.reverse)
    made = [x.reshape(n_segments * size, *x.shape[2:]) for x in made]
    if n_left:
        last = jax.checkpoint(lambda carry, rows: steps(carry, rows, n_left))
        carry, rest = last(carry, [x for _, x in parts])
        made = [_together(*pair, scan.reverse) for pair in zip(made, rest, strict=True)]
    return _joined((carry, made))


def _joined(results: tuple[list[Any], list[Any]]) -> list[Any]:
    return [*results[0], *results[1]]


def _split(rows: Array, n_left: int, reverse: bool) -> tuple[Array, Array]:
    if reverse:
        return rows[n_left:], rows[:n_left]
    end = len(rows) - n_left
    return rows[:end], rows[end:]


def _together(made: Array, rest: Array, reverse: bool) -> Array:
    return jnp.concatenate([rest, made] if reverse else [made, rest])
