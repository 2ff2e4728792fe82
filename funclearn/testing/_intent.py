"""Whether two operands that stretch each other were meant to.

Two axes of one length are, in an example made for the purpose, one axis of the data:
the samples. To set every sample against every other is what a kernel does, to its own
samples, and what a loss never does. So it is meant if the source says so, or if both
operands are one value; a prediction and its target are two.

A source that expands one operand alone, as `prediction - targets[:, None]`, says
little: it is how kernels are written, and a common accident too. What tells them apart
is whether all pairs end in one sum.
"""

from collections.abc import Hashable, Iterable, Sequence
from enum import Enum
from itertools import permutations
from typing import NamedTuple, TypeAlias

from funclearn._jaxprs import JaxprEqn
from funclearn.testing._axes import Operand, Origin
from funclearn.testing._sources import Place, Site, n_expanded
from funclearn.testing._values import Kind, Value

__all__ = ["Side", "Verdict", "as_written", "joined", "judge", "squeezed", "summed"]

# (1, n) against (n,) counts in these only: a sum may add a bias to a batch of one.
_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
_COMPARING = _COMPARISONS | {"sub"}

_Pair: TypeAlias = tuple[Origin | None, Origin | None]
"""The origins of two axes of length 1, each stretched by the other operand."""


class Verdict(Enum):
    """What is to be thought of two operands that stretch each other."""

    MEANT = "two sides of one value, or one merely counts"
    ACCIDENT = "nothing says that it was meant"
    IF_LOST = "an accident, unless the function returns what the pairs gave"
    IF_SUMMED = "an accident if one sum takes all pairs, and they are not returned"


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
    if verdict in {None, Verdict.MEANT, Verdict.IF_SUMMED} or not place.site:
        return verdict
    n_inserting = n_expanded(place.site)
    if n_inserting == 1 and not _are_pairs(name, one.value, other.value):
        return Verdict.IF_SUMMED
    return None if n_inserting else verdict


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


def summed(equation: JaxprEqn, sides: Sequence[Side]) -> frozenset[Hashable]:
    """The keys of the pairs of which an equation may take one sum over both axes."""
    if equation.primitive.name == "reduce_sum" and len(equation.params["axes"]) > 1:
        return sides[0].value.suspects
    return frozenset()


def squeezed(
    equation: JaxprEqn, sides: Sequence[Side], place: Place
) -> tuple[Origin, ...]:
    """The origins of the axes that `jnp.vectorize` has taken away after an equation."""
    gone = [origin for side in sides for origin in side.squeezed]
    if place.vectorized and equation.primitive.name == "squeeze":
        origins = sides[0].operand.origins
        own = (origins[axis] for axis in equation.params["dimensions"])
        gone += filter(None, own)
    return tuple(gone)


def _judge_crossing(name: str, one: Side, other: Side, place: Place) -> Verdict | None:
    pairs = list(_crossings(one.operand, other.operand))
    kinds = {one.value.kind, other.value.kind}
    told = any(_both_told(pair, one, other, place) for pair in pairs)
    if not pairs or (told and not _expands_one(pairs, place.site)):
        return None
    if one.value.number == other.value.number:
        return Verdict.MEANT
    seen = any(
        origin.explicit(place.site) for pair in pairs for origin in pair if origin
    )
    # `labels == arange(k)`, `arange(n) < lengths`, a column times frequencies.
    if Kind.COUNT in kinds and (name in _COMPARISONS or seen):
        return Verdict.MEANT
    if told:
        is_meant = _are_pairs(name, one.value, other.value)
        return None if is_meant else Verdict.IF_SUMMED
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


def _expands_one(pairs: Iterable[_Pair], site: Site | None) -> bool:
    """Whether the expression expands one operand, and NumPy's rules the other."""
    return all(
        first
        and second
        and first.written(site) != second.written(site)
        and (first.implicit(site) or second.implicit(site))
        for first, second in pairs
    )


def _are_pairs(name: str, one: Value, other: Value) -> bool:
    """Whether two values are rather paired on purpose than set against each other.

    The scores of two groups, by one model, share a source, and each has one of its own;
    of a prediction and its target none has, or one alone. A product of two arguments
    is, as a rule, of times and frequencies.
    """
    mine, theirs = one.sources, other.sources
    alike = bool(mine & theirs) and not (mine < theirs or theirs < mine)
    return alike or (one.given and other.given and name not in _COMPARING)


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
