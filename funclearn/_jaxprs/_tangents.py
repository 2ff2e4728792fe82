"""The loop that a tangent runs through longest, taken out of its program."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal, primitives
from jax.interpreters.partial_eval import dce_jaxpr
from jaxtyping import PyTree

from funclearn._jaxprs._dependence import carried, depends
from funclearn._jaxprs._equations import called, close
from funclearn._jaxprs._evaluation import apply, interpret, single
from funclearn._jaxprs._loops import Scan, scan_of
from funclearn._jaxprs._tracing import split_constants

__all__ = ["TangentLoop", "tangent_loop"]


class TangentLoop(NamedTuple):
    """A scan of values and their tangents.

    Attributes:
        scan: the loop and its operands.
        constants: by constant, whether it is a tangent.
        carry: by what is carried, whether it is a tangent that steps change.
        rows: by what is scanned, whether it is a tangent.
    """

    scan: Scan
    constants: list[bool]
    carry: list[bool]
    rows: list[bool]


class _Found(NamedTuple):
    equation: JaxprEqn
    loop: TangentLoop


def tangent_loop(
    function: Callable[[PyTree], PyTree], primals: PyTree, tangents: PyTree
) -> TangentLoop | None:
    """Goes through a function as far as its longest loop that the result hangs on.

    Only what the tangent of the result depends on is left in the loop. Loops within
    loops and branches are a part of these.

    Args:
        function: of one pytree of floating-point arrays, to a scalar.
        primals: where.
        tangents: like these.

    Returns:
        The loop, with operands in the context of the caller; None where there is none.
    """

    def derivative(primals: PyTree, tangents: PyTree) -> PyTree:
        return jax.jvp(function, (primals,), (tangents,))[1]

    closed = jax.make_jaxpr(derivative)(primals, tangents)
    jaxpr, constants = split_constants(closed)
    jaxpr, _ = dce_jaxpr(jaxpr, [True], instantiate=True)
    moves = jax.tree.leaves(tangents)
    values = [*constants, *jax.tree.leaves(primals), *moves]
    still = len(values) - len(moves)
    found: list[_Found] = []
    _search(close(jaxpr), [place >= still for place in range(len(values))], found)
    if not found:
        return None
    longest = max(found, key=lambda one: one.loop.scan.length)
    operands: list[list[Any]] = []
    _evaluate(close(jaxpr), values, longest.equation, operands)
    scan = scan_of(longest.equation, operands[0])
    return longest.loop._replace(scan=scan)


def _search(
    jaxpr: ClosedJaxpr, marks: Sequence[bool], found: list[_Found]
) -> list[bool]:
    def rule(equation: JaxprEqn, marks: list[bool]) -> Sequence[bool]:
        if inside := called(equation):
            return _search(inside, marks, found)
        if equation.primitive is primitives.scan_p and any(marks):
            loop = _marked(scan_of(equation, marks))
            if any(loop.carry):
                found.append(_Found(equation, loop))
        pairs = zip(equation.invars, marks, strict=True)
        known = [(atom, mark) for atom, mark in pairs if not isinstance(atom, Literal)]
        alone = single(equation, [atom for atom, _ in known])
        return depends(alone, [mark for _, mark in known])

    return interpret(jaxpr, marks, rule, lambda _: False)


def _marked(scan: Scan) -> TangentLoop:
    moves = carried(scan.body, scan.constants, scan.carry, scan.rows)
    body = scan.body.jaxpr
    start = len(scan.constants)
    pairs = zip(body.invars[start:], body.outvars, strict=False)
    # What no step changes is a setting that is carried along.
    changed = [given is not got for given, got in pairs]
    carry = [move and new for move, new in zip(moves, changed, strict=False)]
    return TangentLoop(scan, scan.constants, carry, scan.rows)


def _evaluate(
    jaxpr: ClosedJaxpr, values: Sequence[Any], wanted: JaxprEqn, seen: list[list[Any]]
) -> list[Any]:
    def rule(equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
        if equation is wanted:
            seen.append(operands)
        inside = called(equation)
        if inside and _holds(inside, wanted):
            return _evaluate(inside, operands, wanted, seen)
        return apply(equation, operands)

    return interpret(jaxpr, values, rule)


def _holds(jaxpr: ClosedJaxpr, wanted: JaxprEqn) -> bool:
    def inside(equation: JaxprEqn) -> bool:
        held = called(equation)
        return held is not None and _holds(held, wanted)

    return any(one is wanted or inside(one) for one in jaxpr.eqns)
