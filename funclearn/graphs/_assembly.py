"""From a tape to a graph: the nodes that reach the output, their edges and names."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import jax
from jaxtyping import Array

from funclearn._jaxprs import ClosedJaxpr, Literal, literal
from funclearn.graphs._adjoints import (
    Rule,
    Shares,
    accumulate,
    have_adjoint,
    joined,
    rules,
)
from funclearn.graphs._equations import Atom, inside
from funclearn.graphs._formulas import formula
from funclearn.graphs._graph import Edge, Graph, LinearMap, Node, OwnRule, Value
from funclearn.graphs._linearity import has_own_rule, is_linear
from funclearn.graphs._notation import is_uniform, number, short_names
from funclearn.graphs._tape import Result, Tape, record

__all__ = ["build"]


class _Parts(NamedTuple):
    """The data from which nodes and edges are built.

    Attributes:
        tape: the evaluation.
        used: for every record that becomes a node, which of its results are used.
        rules: for every record with derivatives, its local chain rule.
        adjoints: of the results that reach the output; None for a graph without
            adjoints.
        names: for every record that becomes a node, its name.
        short: for every name, its short form in formulas.
    """

    tape: Tape
    used: dict[int, list[Result]]
    rules: dict[int, Rule]
    adjoints: Shares | None
    names: dict[int, str]
    short: dict[str, str]


def build(
    jaxpr: ClosedJaxpr,
    names: Sequence[str],
    arguments: Sequence[Array],
    cotangents: Sequence[Array | None] | None,
    active: Sequence[bool] | None = None,
) -> Graph:
    """Evaluates and differentiates a jaxpr into a graph.

    Args:
        jaxpr: what to evaluate.
        names: of its inputs.
        arguments: values of its inputs.
        cotangents: adjoints of its outputs, None standing for zero; None for a graph
            without adjoints.
        active: which inputs to differentiate with respect to; None for all.
    """
    tape, outputs = record(jaxpr, names, arguments, active)
    used = _used(tape, outputs, len(arguments))
    local, adjoints = rules(tape, used), None
    if cotangents is not None:
        adjoints = accumulate(tape, local, zip(outputs, cotangents, strict=True))
    unique = _names(tape, used)
    short = short_names([*unique.values()])
    parts = _Parts(tape, used, local, adjoints, unique, short)
    places = {position: place for place, position in enumerate(used)}
    edges = (
        _edge(parts, source, target)._replace(
            source=places[source], target=places[target]
        )
        for source, target in _pairs(tape, used)
    )
    nodes = (_node(parts, position) for position in used)
    ends = (places[output.position] for output in outputs)
    return Graph(tuple(nodes), tuple(edges), tuple(ends))


def _used(
    tape: Tape, outputs: Sequence[Result], n_inputs: int
) -> dict[int, list[Result]]:
    wanted = {*outputs, *(Result(position, 0) for position in range(n_inputs))}
    ends = {output.position for output in outputs}
    used = {}
    # Backwards: what a record uses is on the tape before it.
    for position in reversed(range(len(tape.records))):
        results = [result for result in tape.results(position) if result in wanted]
        if results:
            wanted.update(tape.records[position].operands.values())
            # An output is a node in any case, since `Graph.outputs` refers to it.
            if position in ends or not _is_written_out(tape, position):
                used[position] = results
    return dict(reversed(used.items()))


def _is_written_out(tape: Tape, position: int) -> bool:
    """Whether a record is a constant that formulas hold as a number."""
    operation, (value, *_), *_ = tape.records[position]
    return operation == "constant" and position not in tape.names and is_uniform(value)


def _names(tape: Tape, used: Iterable[int]) -> dict[int, str]:
    names: dict[int, str] = {}
    taken: set[str] = set()

    def give(position: int, candidates: Iterable[str]) -> None:
        names[position] = next(name for name in candidates if name not in taken)
        taken.add(names[position])

    for position in used:
        # Given names come first, so that no number takes one of them.
        if name := tape.names.get(position):
            repeats = (f"{name}_{count}" for count in itertools.count(2))
            give(position, itertools.chain([name], repeats))
    counts = {prefix: itertools.count(1) for prefix in "cv"}
    for position in used:
        if position not in names:
            prefix = "c" if tape.records[position].operation == "constant" else "v"
            give(position, (f"{prefix}{count}" for count in counts[prefix]))
    return names


def _pairs(tape: Tape, used: Mapping[int, list[Result]]) -> Iterator[tuple[int, int]]:
    for target in used:
        operands = tape.records[target].operands.values()
        for source in dict.fromkeys(operand.position for operand in operands):
            if source in used:
                yield source, target


def _edge(parts: _Parts, source: int, target: int) -> Edge:
    tape, before, after = parts.tape, parts.used[source], parts.used[target]
    operands = tape.records[target].operands.values()
    # Of a node of several results, this one may use the integers alone.
    given = [operand for operand in operands if operand.position == source]
    if not (have_adjoint(tape, given) and have_adjoint(tape, after)):
        return Edge(source, target, None)

    def share(adjoint: Value) -> Value:
        given = zip(after, adjoint if len(after) > 1 else (adjoint,), strict=True)
        shares = parts.rules[target]({r: u for r, u in given if u is not None})
        return joined(tape, before, shares)

    # Only shapes are needed here; the zeros are never allocated.
    spaces = jax.eval_shape(lambda: [joined(tape, r, {}) for r in (after, before)])
    equation = tape.records[target].equation
    if equation and has_own_rule(equation):
        known = parts.adjoints
        adjoint = None if known is None else joined(tape, after, known)
        if not is_linear(share, spaces[0], adjoint):
            return Edge(source, target, None, OwnRule(share, adjoint))
    return Edge(source, target, LinearMap(share, *spaces))


def _node(parts: _Parts, position: int) -> Node:
    tape, results, adjoint = parts.tape, parts.used[position], None
    if parts.adjoints is not None and have_adjoint(tape, results):
        adjoint = joined(tape, results, parts.adjoints)
    value, *others = map(tape.value, results)
    return Node(
        name=parts.names[position],
        operation=tape.records[position].operation,
        formula=_formula(parts, position),
        value=(value, *others) if others else value,
        adjoint=adjoint,
        inner=_inner(parts, position),
    )


def _formula(parts: _Parts, position: int) -> str:
    equation = parts.tape.records[position].equation
    if equation is None:
        return ""
    operands = [_written(parts, position, atom) for atom in equation.invars]
    return formula(equation, operands)


def _written(parts: _Parts, position: int, atom: Atom) -> str:
    if isinstance(atom, Literal):
        return number(literal(atom))
    result = parts.tape.records[position].operands[atom]
    if result.position not in parts.used:
        return number(parts.tape.value(result).ravel()[0])
    name = parts.short[parts.names[result.position]]
    used = parts.used[result.position]
    return name if len(used) == 1 else f"{name}[{used.index(result)}]"


def _inner(parts: _Parts, position: int) -> Graph | None:
    tape, entry = parts.tape, parts.tape.records[position]
    if entry.equation is None:
        return None
    # An operation of which integers alone are used has no adjoints inside.
    differentiated = have_adjoint(tape, parts.used[position])
    adjoints = parts.adjoints if differentiated else None
    given = [(adjoints or {}).get(result) for result in tape.results(position)]
    call = inside(entry.equation, tape.operand_values(position), given)
    if call is None:
        return None
    names = [
        name or _written(parts, position, atom)
        for name, atom in zip(call.names, call.operands, strict=True)
    ]
    cotangents = None if adjoints is None else call.cotangents
    # Some operations have no derivative with respect to operands that are data here.
    active = [
        not isinstance(atom, Literal) and tape.has_adjoint(entry.operands[atom])
        for atom in call.operands
    ]
    return build(call.jaxpr, names, call.arguments, cotangents, call.active(active))
