"""What the values in a jaxpr are to each other, whatever their shapes.

Of two operands that stretch each other it says whether they are one value (`x[:, None]`
and `x`), and whether one merely counts (`jnp.arange(n)`). `Values` numbers what is
computed: the same operation on the same values has the same number, so that `x[:, None]
/ scale` and `x / scale` are one.
"""

import itertools
import math
from collections.abc import Hashable, Sequence
from enum import IntEnum
from typing import NamedTuple, cast

import numpy as np

from funclearn._jaxprs import JaxprEqn, ShapedArray, is_key
from funclearn.testing._axes import ELEMENTWISE

__all__ = ["Kind", "Value", "Values"]

# They change the shape or the dtype of their operand, and leave its numbers.
_RESHAPING = frozenset(
    "broadcast_in_dim convert_element_type copy expand_dims name reduce_precision "
    "reshape squeeze stop_gradient transpose".split()
)


class Kind(IntEnum):
    """What a value is made of; of several things, it is of the greatest kind."""

    NUMBER = 0
    COUNT = 1
    DATA = 2


class Value(NamedTuple):
    """What is known of a value, apart from its axes.

    Attributes:
        number: the same for values computed in the same way.
        kind: whether it is made of numbers in the program, of their counts, as
            `jnp.arange`, or of data.
        given: whether it is an argument of the function under test as it was given.
        whole: whether no axis of it was made by repeating one entry.
        suspects: the places of the broadcasts under suspicion that it depends on.
        sources: the numbers of the arguments and arrays that it depends on.
    """

    number: int
    kind: Kind = Kind.DATA
    given: bool = False
    whole: bool = True
    suspects: frozenset[Hashable] = frozenset()
    sources: frozenset[int] = frozenset()


class Values:
    """Numbers the values of one program."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def argument(self, kind: Kind = Kind.DATA, *, given: bool = False) -> Value:
        """A value that is no other."""
        number = self._number(object())
        return Value(number, kind, given, sources=frozenset({number}))

    def constant(self, value: object) -> Value:
        """A constant or a literal of a jaxpr."""
        if is_key(getattr(value, "dtype", None)):
            return Value(self._number(id(value)))
        entries = np.asarray(value)
        number = self._number((entries.tobytes(), str(entries.dtype)))
        if entries.size < 2:
            return Value(number, Kind.NUMBER, whole=False)
        counts = entries.dtype.kind in "iu" and bool(
            (np.diff(entries.ravel()) == 1).all()
        )
        if counts:
            return Value(number, Kind.COUNT)
        return Value(number, sources=frozenset({number}))

    def results(
        self,
        equation: JaxprEqn,
        operands: Sequence[Value],
        shapes: Sequence[tuple[int, ...]],
    ) -> list[Value]:
        """The results of an equation that holds no jaxprs.

        Args:
            equation: the equation.
            operands: its operands.
            shapes: their shapes, as they were before the equation stretched them.
        """
        name = equation.primitive.name
        whole = _is_whole(equation, operands, shapes)
        if name in _RESHAPING:
            return [operands[0]._replace(whole=whole)]
        kind = max((one.kind for one in operands), default=Kind.NUMBER)
        kind = Kind.COUNT if name == "iota" else kind
        params = tuple((key, repr(value)) for key, value in equation.params.items())
        key = name, params, tuple(one.number for one in operands)
        return [
            Value(self._number((*key, place)), kind, False, whole, *_origins(operands))
            for place, _ in enumerate(equation.outvars)
        ]

    def unknown(self, operands: Sequence[Value]) -> Value:
        """A result of which nothing is known but what it depends on."""
        return Value(
            self._number(object()), Kind.DATA, False, True, *_origins(operands)
        )

    def _number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _is_whole(
    equation: JaxprEqn, operands: Sequence[Value], shapes: Sequence[tuple[int, ...]]
) -> bool:
    """Whether an equation repeats no entry along an axis of its result."""
    whole = [one.whole for one in operands]
    if equation.primitive.name in ELEMENTWISE:
        (result,) = equation.outvars
        # Every axis is that of an operand.
        tables = list(itertools.compress(shapes, whole))
        return any(tables) and all(
            any(table[axis : axis + 1] == (length,) for table in tables)
            for axis, length in enumerate(cast(ShapedArray, result.aval).shape)
        )
    if equation.primitive.name == "broadcast_in_dim":
        size = math.prod(equation.params["shape"])
        return whole[0] and size == math.prod(shapes[0])
    return len(whole) != 1 or whole[0]


def _origins(
    operands: Sequence[Value],
) -> tuple[frozenset[Hashable], frozenset[int]]:
    """The suspects and the sources of what is computed from some operands."""
    return (
        frozenset().union(*(one.suspects for one in operands)),
        frozenset().union(*(one.sources for one in operands)),
    )
