"""Reverse-mode differentiation of a tape by the chain rule.

    adjoint(source) = Σ Jᵀ adjoint(target)

The sum is over the records that use the source; J is the Jacobian of such a record.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

import jax.numpy as jnp
from jaxtyping import Array

from funclearn._jaxprs import JaxprEqn
from funclearn.graphs._equations import pullback
from funclearn.graphs._graph import Value
from funclearn.graphs._tape import Result, Tape

__all__ = ["Rule", "Shares", "accumulate", "have_adjoint", "joined", "rules"]

Shares: TypeAlias = dict[Result, Array]
"""Adjoints by result, or their terms from one record; missing results have zero."""

Rule: TypeAlias = Callable[[Shares], Shares]
"""Maps the adjoints of a record's results to their terms in its operands' adjoints."""


def have_adjoint(tape: Tape, results: Iterable[Result]) -> bool:
    """Whether any of some results has an adjoint."""
    return any(map(tape.has_adjoint, results))


def rules(tape: Tape, used: Mapping[int, Iterable[Result]]) -> dict[int, Rule]:
    """Differentiates the records that are equations and have adjoints.

    Args:
        tape: the evaluation.
        used: for every record, by its position, which of its results are used. Where
            these are integers, as of `argsort`, nothing is differentiated.

    Returns:
        For every such record, by its position, its local chain rule.
    """
    return {
        position: _rule(tape, position, equation)
        for position, results in used.items()
        if have_adjoint(tape, results) and (equation := tape.records[position].equation)
    }


def _rule(tape: Tape, position: int, equation: JaxprEqn) -> Rule:
    operands = tape.records[position].operands
    # Only floating-point operands have a tangent space for `jax.vjp`.
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
    tape: Tape, rules: Mapping[int, Rule], seeds: Iterable[tuple[Result, Array | None]]
) -> Shares:
    """Propagates the adjoints of the outputs back to all that they depend on.

    Args:
        tape: the evaluation.
        rules: the local chain rules of its records, in the order of the tape.
        seeds: the outputs and their adjoints; None stands for zero.

    Returns:
        The adjoint of every result that the outputs depend on.
    """
    adjoints: Shares = {}
    for output, adjoint in seeds:
        if adjoint is not None and tape.has_adjoint(output):
            _add(adjoints, output, adjoint)
    # Backwards: all uses of a result are later on the tape, so that its adjoint is
    # complete when its own record is reached.
    for position in reversed([*rules]):
        if any(result in adjoints for result in tape.results(position)):
            for source, share in rules[position](adjoints).items():
                _add(adjoints, source, share)
    return adjoints


def joined(tape: Tape, results: Sequence[Result], shares: Shares) -> Value:
    """The adjoint of a node: of its one result, or a tuple of those of several.

    It is None for a result that has no adjoint.
    """
    first, *others = (
        _share(tape, result, shares) if tape.has_adjoint(result) else None
        for result in results
    )
    return (first, *others) if others else first


def _share(tape: Tape, result: Result, shares: Shares) -> Array:
    return shares.get(result, jnp.zeros_like(tape.value(result)))


def _add(shares: Shares, result: Result, share: Array) -> None:
    shares[result] = shares[result] + share if result in shares else share
