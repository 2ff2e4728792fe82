"""Whether two operands that stretch each other were meant to.

Two axes of one length are, in an example made for the purpose, one axis of the data:
the samples. To set every sample against every other is what a kernel does, to its own
samples, and what a loss never does. So it is meant if the source says so, or if both
operands are one value; a prediction and its target are two.
"""

import ast
from collections.abc import Hashable, Iterable, Sequence
from enum import Enum
from itertools import permutations
from typing import NamedTuple, TypeAlias

from funclearn.testing._axes import Operand, Origin
from funclearn.testing._sources import Site, operand_trees
from funclearn.testing._values import Kind, Value

__all__ = ["Place", "Side", "Verdict", "as_written", "joined", "judge"]

# (1, n) against (n,) counts in these only: a sum may add a bias to a batch of one.
_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
_COMPARING = _COMPARISONS | {"sub"}
_INSERTING = frozenset({"expand_dims", "reshape", "broadcast_to"})

_Pair: TypeAlias = tuple[Origin | None, Origin | None]
"""The origins of two axes of length 1, each stretched by the other operand."""


class Verdict(Enum):
    """What is to be thought of two operands that stretch each other."""

    MEANT = "two sides of one value, or one merely counts"
    ACCIDENT = "nothing says that it was meant"
    IF_LOST = "an accident, unless the function returns what the pairs gave"


class Place(NamedTuple):
    """Where an operation stands.

    Attributes:
        stack: the expressions that led to it, innermost first.
        vectorized: whether it stands in a function that `jnp.vectorize` stretches.
    """

    stack: tuple[Site, ...]
    vectorized: bool = False

    @property
    def site(self) -> Site | None:
        """The expression of the operation itself; None if it is not known."""
        return self.stack[0] if self.stack else None


class Side(NamedTuple):
    """An operand, as it was before the operation.

    Attributes:
        operand: its shape and the origins of its axes.
        value: what it holds.
        squeezed: the origins of the axes that `jnp.vectorize` took away.
    """

    operand: Operand
    value: Value
    squeezed: tuple[Origin, ...] = ()


def judge(name: str, one: Side, other: Side, place: Place) -> Verdict | None:
    """Judges two operands of an elementwise operation.

    Args:
        name: of the primitive.
        one: an operand, of the rank of the result.
        other: another.
        place: of the operation.

    Returns:
        None where they do not stretch each other, or the source says that they are to.
    """
    verdict = _judge_crossing(name, one, other, place)
    if verdict is None and name in _COMPARING and _is_lone_row(one, other, place.site):
        verdict = Verdict.ACCIDENT
    suspicious = verdict not in {None, Verdict.MEANT}
    if suspicious and place.site and any(map(_inserts, operand_trees(place.site))):
        return None
    return verdict


def as_written(side: Side, site: Site | None) -> tuple[int, ...]:
    """The shape of an operand as its source has it, without the axes NumPy adds."""
    shape, origins = side.operand
    if side.squeezed:
        return shape
    return tuple(
        length
        for length, origin in zip(shape, origins, strict=True)
        if not (origin and origin.implicit(site))
    )


def joined(pairs: Side, table: Side) -> frozenset[Hashable]:
    """The suspects in what meets, entry by entry, a table of pairs of another origin.

    In `xx + yy - 2 * x @ y.T` the product shows that every pair was meant.
    """
    if table.operand.shape != pairs.operand.shape or min(pairs.operand.shape) == 1:
        return frozenset()
    value = table.value
    own = value.kind is Kind.DATA and value.whole and not value.suspects
    return pairs.value.suspects if own else frozenset()


def _judge_crossing(name: str, one: Side, other: Side, place: Place) -> Verdict | None:
    pairs = list(_crossings(one.operand, other.operand))
    kinds = {one.value.kind, other.value.kind}
    if not pairs or any(_both_told(pair, one, other, place) for pair in pairs):
        return None
    if one.value.number == other.value.number:
        return Verdict.MEANT
    seen = any(
        origin.explicit(place.site) for pair in pairs for origin in pair if origin
    )
    # `labels == arange(k)`, `arange(n) < lengths`, a column times frequencies.
    if Kind.COUNT in kinds and (name in _COMPARISONS or seen):
        return Verdict.MEANT
    return (
        Verdict.IF_LOST
        if seen and one.value.given and other.value.given
        else Verdict.ACCIDENT
    )


def _crossings(one: Operand, other: Operand) -> Iterable[_Pair]:
    """The axes along which both stretch each other to one length."""
    return (
        (one.origins[first], other.origins[second])
        for first, second in permutations(range(len(one.shape)), 2)
        if one.shape[first] == other.shape[second] == 1
        if one.shape[second] == other.shape[first] > 1
    )


def _both_told(pair: _Pair, one: Side, other: Side, place: Place) -> bool:
    """Whether the source tells of both axes."""
    first, second = pair
    if first is None or second is None:
        return False
    if first.written(place.site) or second.written(place.site):
        return True
    # Both inserted, and not one here and one long before: an outer product, two axes
    # of `vmap`, or both written earlier.
    alike = first.implicit(place.site) == second.implicit(place.site)
    if not (first.inserted and second.inserted and alike):
        return False
    # What `vectorize` inserts stands for the axes that its arguments had.
    return not place.vectorized or _are_told(one.squeezed, other.squeezed, place.stack)


def _are_told(
    first: Sequence[Origin], second: Sequence[Origin], stack: Sequence[Site]
) -> bool:
    written = (origin.written(site) for origin in (*first, *second) for site in stack)
    sides = (any(origin.inserted for origin in side) for side in (first, second))
    return any(written) or all(sides)


def _is_lone_row(one: Side, other: Side, site: Site | None) -> bool:
    """Whether a table of one row, (1, n), meets (n,)."""
    if one.value.number == other.value.number:
        return False
    return _is_row(one.operand, other.operand, site) or _is_row(
        other.operand, one.operand, site
    )


def _is_row(row: Operand, flat: Operand, site: Site | None) -> bool:
    mine, other = row.origins[-2], flat.origins[-2]
    if row.shape != flat.shape or row.shape[-2] != 1 or row.shape[-1] == 1:
        return False
    if mine is None or other is None or not other.implicit(site):
        return False
    both = mine.inserted and mine.implicit(site)
    return not (mine.explicit(site) or other.explicit(site) or both)


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
