"""Loops taken apart."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jax.extend.core import ClosedJaxpr, JaxprEqn

from funclearn._jaxprs._equations import close, inner_jaxprs
from funclearn._jaxprs._tracing import ShapedArray

__all__ = ["Scan", "While", "linear_solver", "scan_of", "while_of"]


class Scan(NamedTuple):
    """A scan and its operands.

    Attributes:
        body: `(*constants, *carry, *row) -> (*carry, *row of results)`.
        constants: what every step is given.
        carry: what a step hands to the next one, before the first.
        rows: what is scanned.
        length: number of steps.
        reverse: whether the last row comes first.
    """

    body: ClosedJaxpr
    constants: list[Any]
    carry: list[Any]
    rows: list[Any]
    length: int
    reverse: bool


def scan_of(equation: JaxprEqn, operands: list[Any]) -> Scan:
    """Takes a scan apart: a row has one axis less than what is scanned."""
    (body,) = inner_jaxprs(equation)

    def n_whole(atoms: Sequence[Any], types: Sequence[ShapedArray]) -> int:
        pairs = zip(atoms, types, strict=True)
        return sum(atom.aval.shape == one.shape for atom, one in pairs)

    # By shapes, since the parameters do not count them in every version. Whole are
    # constants and carry among the operands, and the carry among the results.
    end = n_whole(equation.invars, body.in_avals)
    start = end - n_whole(equation.outvars, body.out_avals)
    return Scan(
        body,
        operands[:start],
        operands[start:end],
        operands[end:],
        equation.params["length"],
        equation.params["reverse"],
    )


class While(NamedTuple):
    """A while loop and its operands.

    Attributes:
        test: `(*test_constants, *carry) -> whether to go on`.
        test_constants: what the test is given every time.
        body: `(*constants, *carry) -> carry`.
        constants: what every step is given.
        carry: what a step hands to the next one, before the first.
    """

    test: ClosedJaxpr
    test_constants: list[Any]
    body: ClosedJaxpr
    constants: list[Any]
    carry: list[Any]


def while_of(equation: JaxprEqn, operands: list[Any]) -> While:
    """Takes a while loop apart."""
    params = equation.params
    start = params["cond_nconsts"]
    end = start + params["body_nconsts"]
    return While(
        close(params["cond_jaxpr"]),
        operands[:start],
        close(params["body_jaxpr"]),
        operands[start:end],
        operands[end:],
    )


def linear_solver(
    equation: JaxprEqn, operands: list[Any]
) -> tuple[ClosedJaxpr, list[Any]]:
    """What a custom linear solve calls to solve, and with which arguments."""
    lengths = equation.params["const_lengths"]
    start = lengths.matvec + lengths.vecmat
    constants = operands[start : start + lengths.solve]
    jaxpr = close(equation.params["jaxprs"].solve)
    return jaxpr, [*constants, *operands[sum(lengths) :]]
