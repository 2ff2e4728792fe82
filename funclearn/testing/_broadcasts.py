"""Finding unintended broadcasts of a function in its jaxpr.

    predictions - targets           # (n, 1) - (n,)

is, in the jaxpr, an axis inserted before the targets and a subtraction of (n, 1) and
(1, n). So is `predictions - targets[None, :]`; but there the axis was inserted by an
expression of its own. Hence every pair of operands that stretch each other is judged by
the origins of the axes on which their lengths differ.
"""

import ast
from collections.abc import Iterator
from itertools import combinations, permutations, zip_longest
from types import EllipsisType
from typing import NamedTuple, TypeAlias, cast

from funclearn import _jaxprs
from funclearn._jaxprs import ClosedJaxpr, JaxprEqn, ShapedArray
from funclearn.testing._axes import (
    ELEMENTWISE,
    Operand,
    Origin,
    Origins,
    follow,
    operand,
)
from funclearn.testing._sources import Site, operand_trees, sites_of

__all__ = ["Broadcast", "find_broadcasts"]

# (1, n) against (n,) counts in these only: a sum may add a bias to a batch of one.
_COMPARING = frozenset({"sub", "eq", "ne", "lt", "le", "gt", "ge"})
_INSERTING = frozenset({"expand_dims", "reshape", "broadcast_to"})

_Stack: TypeAlias = tuple[Site, ...]


class Broadcast(NamedTuple):
    """Two operands that stretch each other, without evidence that it was intended.

    Attributes:
        stack: the expressions that led to it, innermost first.
        shapes: those of the two operands, as they were written.
        result: the shape to which they were stretched.
    """

    stack: _Stack
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    result: tuple[int, ...]


_Found: TypeAlias = dict[Site | Broadcast, Broadcast]
"""Broadcasts by their site; by themselves where there is none."""


class _Known(NamedTuple):
    """What is known of a value.

    Attributes:
        origins: of its axes; None where they are the data's own.
        maker: the site of the operation that computed it; ... where there is none.
    """

    origins: Origins | None = None
    maker: Site | EllipsisType | None = ...


def find_broadcasts(jaxpr: ClosedJaxpr) -> list[Broadcast]:
    """The unintended broadcasts in a jaxpr and in all jaxprs that it holds.

    Args:
        jaxpr: of the function under test, traced with rank promotion allowed.

    Returns:
        One for every expression, in the order of the program.
    """
    found: _Found = {}
    _visit(jaxpr, [], (), found)
    return list(found.values())


def _visit(
    jaxpr: ClosedJaxpr, arguments: list[_Known], outer: _Stack, found: _Found
) -> list[Origins]:
    """Judges every equation; returns the origins of the outputs' axes."""

    def judge(equation: JaxprEqn, known: list[_Known]) -> list[_Known]:
        stack = (*sites_of(equation), *outer)
        site = stack[0] if stack else None
        pairs = list(zip(equation.invars, known, strict=True))
        inputs = [operand(atom, one.origins, site) for atom, one in pairs]
        for broadcast in _accidents(equation, inputs, stack):
            # Derivatives and repeated calls trace an expression again: it counts once.
            found.setdefault(site or broadcast, broadcast)
        inner = list(_jaxprs.inner_jaxprs(equation))
        # The first operand of a `cond` selects the branch.
        passed = inputs[1:] if equation.primitive.name == "cond" else inputs
        results = [_visit(body, _passed(body, passed), stack, found) for body in inner]
        if not inner:
            own = any(one.maker == site for one in known)
            results = [[follow(equation, inputs, Origin(site, True, not own))]]
        # Nothing is known of what one of several inner jaxprs returns.
        first = results[0] if len(results) == 1 else []
        return [
            _Known(origins, site) for _, origins in zip_longest(equation.outvars, first)
        ][: len(equation.outvars)]

    unknown = [_Known()] * (len(jaxpr.in_avals) - len(arguments))
    results = _jaxprs.interpret(
        jaxpr, [*arguments, *unknown], judge, lambda _: _Known()
    )
    return [
        operand(atom, one.origins, None).origins
        for atom, one in zip(jaxpr.jaxpr.outvars, results, strict=True)
    ]


def _passed(body: ClosedJaxpr, inputs: list[Operand]) -> list[_Known]:
    """What is known of the arguments of an inner jaxpr, where they are the call's own.

    The rows of a `scan` are not: they have another rank, for which `operand` ignores
    the origins given. A `while` has two jaxprs, which share its arguments.
    """
    if len(body.in_avals) != len(inputs):
        return []
    return [_Known(item.origins) for item in inputs]


def _accidents(
    equation: JaxprEqn, inputs: list[Operand], stack: _Stack
) -> Iterator[Broadcast]:
    name, site = equation.primitive.name, stack[0] if stack else None
    if name not in ELEMENTWISE:
        return
    result = cast(ShapedArray, equation.outvars[0].aval).shape
    full = [item for item in inputs if len(item.shape) == len(result) > 1]
    for one, other in combinations(full, 2):
        rows = _lone_row(one, other, site) or _lone_row(other, one, site)
        if not (_crossed(one, other, site) or (name in _COMPARING and rows)):
            continue
        if not (site and any(map(_inserts, operand_trees(site)))):
            shapes = _as_written(one, site), _as_written(other, site)
            yield Broadcast(stack, shapes, result)


def _crossed(one: Operand, other: Operand, site: Site | None) -> bool:
    """Whether both stretch each other to one length, unintended: (n, 1) and (1, n)."""
    crossings = [
        (one.origins[first], other.origins[second])
        for first, second in permutations(range(len(one.shape)), 2)
        if one.shape[first] == other.shape[second] == 1
        if one.shape[second] == other.shape[first] > 1
    ]
    return bool(crossings) and not any(_meant(*pair, site) for pair in crossings)


def _meant(one: Origin | None, other: Origin | None, site: Site | None) -> bool:
    if one is None or other is None:
        return False
    if one.explicit(site) or other.explicit(site):
        return True
    # Both inserted, and not one here and one long before: an outer product, two axes
    # of `vmap`, or both written earlier.
    both = one.inserted and other.inserted
    return both and one.implicit(site) == other.implicit(site)


def _lone_row(row: Operand, flat: Operand, site: Site | None) -> bool:
    """Whether a table of one row, (1, n), meets (n,)."""
    mine, other = row.origins[-2], flat.origins[-2]
    if row.shape != flat.shape or row.shape[-2] != 1 or row.shape[-1] == 1:
        return False
    arises = other is not None and other.implicit(site)
    return arises and not _meant(mine, other, site)


def _as_written(item: Operand, site: Site | None) -> tuple[int, ...]:
    return tuple(
        length
        for length, origin in zip(item.shape, item.origins, strict=True)
        if not (origin and origin.implicit(site))
    )


def _inserts(node: ast.AST) -> bool:
    """Whether an operand's own source inserts an axis, perhaps in a NumPy array."""
    match node:
        case ast.Subscript(slice=ast.Tuple(elts=parts)):
            return any(map(_is_newaxis, parts))
        case ast.Subscript(slice=part):
            return _is_newaxis(part)
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name in _INSERTING
        case ast.BinOp(left=left, right=right):
            return _inserts(left) or _inserts(right)
        case ast.UnaryOp(operand=inner):
            return _inserts(inner)
    return False


def _is_newaxis(node: ast.AST) -> bool:
    return ast.unparse(node).rpartition(".")[2] in {"None", "newaxis"}
