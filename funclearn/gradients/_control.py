"""Branches and loops of programs that are carried out in float64."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array

from funclearn import _jaxprs
from funclearn._jaxprs import ClosedJaxpr, JaxprEqn, primitives
from funclearn.gradients._decisions import Both, dropped
from funclearn.gradients._rounding import Value, is_inexact

__all__ = ["control_of"]

_Run: TypeAlias = Callable[[ClosedJaxpr, Sequence[Both]], list[Both]]
"""Carries out a jaxpr."""

_Rule: TypeAlias = Callable[[_Run, JaxprEqn, list[Both]], list[Both]]

# Far from the point, where samples are taken, a loop until convergence may go on for
# ever. So many steps of a small loop take some milliseconds.
_MOST_STEPS = 2.0**16


def control_of(equation: JaxprEqn, *, is_sample: bool) -> _Rule | None:
    """How to carry out an equation that holds jaxprs and does more than calling one.

    Args:
        equation: any equation.
        is_sample: whether the program is carried out somewhere else than at the point
            of the comparison. What a loop gives that does not end there is not finite.
    """
    return {
        primitives.cond_p: _run_cond,
        primitives.linear_solve_p: _run_solve,
        primitives.scan_p: _run_scan,
        primitives.while_p: functools.partial(
            _run_while, limit=_MOST_STEPS if is_sample else math.inf
        ),
    }.get(equation.primitive)


def _moved(values: Sequence[Both]) -> list[bool]:
    return [value.own is None for value in values]


def _run_cond(run: _Run, equation: JaxprEqn, operands: list[Both]) -> list[Both]:
    index, *others = operands
    jaxprs = [*_jaxprs.inner_jaxprs(equation)]
    found = [_jaxprs.depends(jaxpr, _moved(others)) for jaxpr in jaxprs]
    moved = [index.own is None or any(flags) for flags in zip(*found, strict=True)]

    def branch(jaxpr: ClosedJaxpr) -> Callable[..., list[Both]]:
        return lambda *operands: dropped(run(jaxpr, operands), moved)

    return jax.lax.switch(index.wide, [*map(branch, jaxprs)], *others)


def _run_scan(run: _Run, equation: JaxprEqn, operands: list[Both]) -> list[Both]:
    scan = _jaxprs.scan_of(equation, operands)
    parts = (scan.constants, scan.carry, scan.rows)
    moved = _jaxprs.carried(scan.body, *map(_moved, parts))

    def body(carry: list[Both], row: list[Both]) -> tuple[list[Both], list[Both]]:
        results = run(scan.body, [*scan.constants, *carry, *row])
        return dropped(results[: len(carry)], moved), results[len(carry) :]

    carry, rows = jax.lax.scan(
        body,
        dropped(scan.carry, moved),
        scan.rows,
        length=scan.length,
        reverse=scan.reverse,
    )
    return [*carry, *rows]


def _run_while(
    run: _Run, equation: JaxprEqn, operands: list[Both], *, limit: float
) -> list[Both]:
    loop = _jaxprs.while_of(equation, operands)
    moved = _jaxprs.carried(loop.body, *map(_moved, (loop.constants, loop.carry)))
    constants = _moved(loop.test_constants)
    (is_free,) = _jaxprs.depends(loop.test, [*constants, *moved])
    is_mapped = loop.test.out_avals[0].shape != ()
    if is_mapped and is_free:
        # Every step then chooses between its results and what was there before.
        moved = [True] * len(moved)

    def goes_on(carry: list[Both]) -> Array:
        return cast(Array, run(loop.test, [*loop.test_constants, *carry])[0].wide)

    def body(state: tuple[Array, list[Both]]) -> tuple[Array, list[Both]]:
        steps, carry = state
        new = dropped(run(loop.body, [*loop.constants, *carry]), moved)
        return steps + 1, _where(goes_on(carry), new, carry) if is_mapped else new

    def test(state: tuple[Array, list[Both]]) -> Array:
        steps, carry = state
        return jnp.any(goes_on(carry)) & (steps < most)

    # Where no parameter moves the end, all samples come to it as the point does.
    most = limit if is_free else math.inf
    state = (jnp.zeros((), jnp.int64), dropped(loop.carry, moved))
    steps, carry = jax.lax.while_loop(test, body, state)
    if not is_free:
        return carry
    return [Both(_if(steps < most, value.wide), None) for value in carry]


def _if(ended: Array, value: Value) -> Value:
    return jnp.where(ended, value, jnp.nan) if is_inexact(value) else value


def _where(chosen: Array, new: list[Both], old: list[Both]) -> list[Both]:
    """Chooses between two values for every lane, which are the leading axes."""

    def choose(one: Array, other: Array) -> Array:
        axes = range(chosen.ndim, one.ndim)
        return jnp.where(jnp.expand_dims(chosen, axes), one, other)

    return jax.tree.map(choose, new, old)


def _run_solve(run: _Run, equation: JaxprEqn, operands: list[Both]) -> list[Both]:
    return run(*_jaxprs.linear_solver(equation, operands))
