"""The chain rule on a tape, one record at a time and then all the way back.

adjoint(source) = Σ Jᵀ adjoint(target) over the records that use the source
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from funclearn._graphs.equations import pullback
from funclearn._graphs.tracing import Result, Tape
from funclearn._jaxprs import JaxprEqn

__all__ = ["Rule", "Shares", "accumulate", "has_adjoints", "joined", "rules"]

Shares = dict[Result, Any]
"""Adjoints, or shares of them, by result; what is missing is zero."""

Rule = Callable[[Shares], Shares]
"""From the adjoints of a record's results to their shares in its operands'."""


def has_adjoints(tape: Tape, position: int) -> bool:
    """Whether any result of a record has an adjoint."""
    return any(map(tape.has_adjoint, tape.results(position)))


def rules(tape: Tape, positions: Iterable[int]) -> dict[int, Rule]:
    """Differentiates those of the records that are equations with adjoints."""
    return {
        position: _rule(tape, position, equation)
        for position in positions
        if has_adjoints(tape, position)
        and (equation := tape.records[position].equation)
    }


def _rule(tape: Tape, position: int, equation: JaxprEqn) -> Rule:
    operands = tape.records[position].operands
    active = {v: r for v, r in operands.items() if tape.has_adjoint(r)}
    pull = pullback(equation, tape.operand_values(position), [*active])
    results = [*filter(tape.has_adjoint, tape.results(position))]

    def rule(adjoints: Shares) -> Shares:
        shares: Shares = {}
        pulled = pull([_share(tape, result, adjoints) for result in results])
        for source, share in zip(active.values(), pulled, strict=True):
            _add(shares, source, share)
        return shares

    return rule


def accumulate(
    tape: Tape, rules: Mapping[int, Rule], seeds: Iterable[tuple[Result, Any]]
) -> Shares:
    """Takes the adjoints of the outputs back to everything that they depend on.

    Args:
        tape: the evaluation.
        rules: of its records, in their order.
        seeds: the outputs and their adjoints; None stands for zero.
    """
    adjoints: Shares = {}
    for output, adjoint in seeds:
        if adjoint is not None and tape.has_adjoint(output):
            _add(adjoints, output, adjoint)
    for position in reversed([*rules]):
        if any(result in adjoints for result in tape.results(position)):
            for source, share in rules[position](adjoints).items():
                _add(adjoints, source, share)
    return adjoints


def joined(tape: Tape, results: Sequence[Result], shares: Shares) -> Any:
    """The adjoint of a node: of its one result, or a tuple of those of several."""
    first, *others = (_share(tape, result, shares) for result in results)
    return (first, *others) if others else first


def _share(tape: Tape, result: Result, shares: Shares) -> Any:
    if not tape.has_adjoint(result):
        return None
    return shares.get(result, jnp.zeros_like(tape.value(result)))


def _add(shares: Shares, result: Result, share: Any) -> None:
    shares[result] = shares[result] + share if result in shares else share
