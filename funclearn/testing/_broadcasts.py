"""Finding unintended broadcasts of a function in its jaxpr.

    predictions - targets           # (n, 1) - (n,)

is, in the jaxpr, an axis inserted before the targets and a subtraction of (n, 1) and
(1, n). So is `predictions - targets[None, :]`; but there the axis was inserted by an
expression of its own. Hence operands that stretch each other are judged by the origins
of the axes, by what the operands are, and by what becomes of the pairs.
"""

from collections.abc import Hashable, Iterator
from itertools import combinations
from types import EllipsisType
from typing import NamedTuple

from funclearn import _jaxprs
from funclearn._jaxprs import ClosedJaxpr, DropVar, JaxprEqn, Literal, Var
from funclearn.testing._axes import (
    ELEMENTWISE,
    Origin,
    Origins,
    follow,
    operand,
)
from funclearn.testing._intent import (
    Side,
    Verdict,
    as_written,
    joined,
    judge,
    squeezed,
    summed,
)
from funclearn.testing._sources import Place, Site, place_of
from funclearn.testing._values import Value, Values

__all__ = ["Broadcast", "find_broadcasts"]


class Broadcast(NamedTuple):
    """Two operands that stretch each other, without evidence that it was intended.

    Attributes:
        stack: the expressions that led to it, innermost first.
        shapes: those of the two operands, as they were written.
        result: the shape to which they were stretched.
    """

    stack: tuple[Site, ...]
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    result: tuple[int, ...]

    @property
    def key(self) -> Hashable:
        """What derivatives share with the operation that they belong to."""
        return self.stack or self


class _Known(NamedTuple):
    """What is known of a value.

    Attributes:
        value: what it is.
        origins: of its axes; None where they are the data's own.
        maker: the site of the operation that computed it; ... where there is none.
        squeezed: the origins of the axes that `jnp.vectorize` took away.
    """

    value: Value
    origins: Origins | None = None
    maker: Site | EllipsisType | None = ...
    squeezed: tuple[Origin, ...] = ()


def find_broadcasts(jaxpr: ClosedJaxpr) -> list[Broadcast]:
    """The unintended broadcasts in a jaxpr and in all jaxprs that it holds.

    Args:
        jaxpr: of the function under test, traced with rank promotion allowed.

    Returns:
        One for every expression, in the order of the program.
    """
    return _Search().run(jaxpr)


class _Search:
    """One search.

    Attributes:
        suspected: the broadcasts under suspicion, in the order of the program.
        meant: the keys of those that were meant after all. An operation that was meant
            clears its derivatives, which JAX traces from the same expression.
        if_lost: the keys of those that are meant if the function returns the pairs.
        waiting: by key, those that are suspected if one sum takes all pairs.
    """

    def __init__(self) -> None:
        self.values = Values()
        self.suspected: list[Broadcast] = []
        self.meant: set[Hashable] = set()
        self.if_lost: set[Hashable] = set()
        self.waiting: dict[Hashable, Broadcast] = {}

    def run(self, jaxpr: ClosedJaxpr) -> list[Broadcast]:
        """Returns the broadcasts that nothing shows to be meant."""
        arguments = [_Known(self.values.argument(given=True)) for _ in jaxpr.in_avals]
        results = self.visit(jaxpr, arguments, Place(()))
        returned = {
            (key, length)
            for atom, one in zip(jaxpr.jaxpr.outvars, results, strict=True)
            for key in one.value.suspects & self.if_lost
            for length in _shape(atom)
        }
        found: dict[Hashable, Broadcast] = {}
        for one in self.suspected:
            # An expression that also sets a value against itself makes pairs.
            is_meant = not self.meant.isdisjoint((one.key, *one.stack[:1]))
            if not is_meant and (one.key, one.result[-1]) not in returned:
                # Repeated calls trace an expression again: it counts once.
                found.setdefault(one.stack[0] if one.stack else one, one)
        return list(found.values())

    def visit(
        self, jaxpr: ClosedJaxpr, arguments: list[_Known], outer: Place
    ) -> list[_Known]:
        """Judges every equation; returns what is known of the outputs."""
        results = _jaxprs.interpret(
            jaxpr,
            arguments,
            lambda equation, known: self.follow(equation, known, outer),
            lambda value: _Known(self.values.constant(value)),
        )
        return [
            one._replace(origins=operand(atom, one.origins, None).origins)
            for atom, one in zip(jaxpr.jaxpr.outvars, results, strict=True)
        ]

    def follow(
        self, equation: JaxprEqn, known: list[_Known], outer: Place
    ) -> list[_Known]:
        """Judges an equation; returns what is known of its results."""
        place = place_of(equation, outer)
        sides = [
            Side(operand(atom, one.origins, place.site), one.value, one.squeezed)
            for atom, one in zip(equation.invars, known, strict=True)
        ]
        if any(_jaxprs.inner_jaxprs(equation)):
            return self.enter(equation, sides, place)
        suspects = self.judge(equation, sides, place)
        for key in summed(equation, sides):
            one = self.waiting.get(key)
            if one and one.result == sides[0].operand.shape:
                self.suspected.append(one)
        operands = [side.operand for side in sides]
        elsewhere = all(one.maker != place.site for one in known)
        origins = follow(equation, operands, Origin(place.site, True, elsewhere))
        values = self.values.results(
            equation, [side.value for side in sides], [one.shape for one in operands]
        )
        return [
            _Known(
                value._replace(suspects=value.suspects | suspects),
                None if index else origins,
                place.site,
                squeezed(equation, sides, place),
            )
            for index, value in enumerate(values)
        ]

    def enter(
        self, equation: JaxprEqn, sides: list[Side], place: Place
    ) -> list[_Known]:
        """Judges the jaxprs of an equation; returns what is known of its results."""
        given = [_Known(side.value, side.operand.origins) for side in sides]
        results = [
            self.visit(body, arguments, place)
            for body, arguments in self.calls(equation, given)
        ]
        lost = [side.value for side in sides]
        lost += [one.value for result in results for one in result]
        unknown = _Known(self.values.unknown(lost))
        # Nothing is known of what one of several inner jaxprs returns.
        first = results[0] if len(results) == 1 else [unknown] * len(equation.outvars)
        if equation.primitive.name == "scan":
            # What a loop returns is not what its body returns at first.
            first = [one._replace(value=unknown.value) for one in first]
        return [one._replace(maker=place.site) for one in first]

    def calls(
        self, equation: JaxprEqn, given: list[_Known]
    ) -> Iterator[tuple[ClosedJaxpr, list[_Known]]]:
        """The jaxprs of an equation, with what is known of their arguments."""

        def carried(carry: list[_Known]) -> list[_Known]:
            # It changes from one step to the next.
            return [
                one._replace(value=self.values.unknown([one.value])) for one in carry
            ]

        match equation.primitive.name:
            case "scan":
                scan = _jaxprs.scan_of(equation, given)
                arguments = [*scan.constants, *carried(scan.carry), *scan.rows]
                yield scan.body, arguments
            case "while":
                loop = _jaxprs.while_of(equation, given)
                carry = carried(loop.carry)
                yield loop.test, [*loop.test_constants, *carry]
                yield loop.body, [*loop.constants, *carry]
            case name:
                # The first operand of a `cond` selects the branch.
                passed = given[1:] if name == "cond" else given
                for body in _jaxprs.inner_jaxprs(equation):
                    fits = len(body.in_avals) == len(passed)
                    unknown = [_Known(self.values.argument()) for _ in body.in_avals]
                    yield body, passed if fits else unknown

    def judge(
        self, equation: JaxprEqn, sides: list[Side], place: Place
    ) -> set[Hashable]:
        """The keys of the operation's own broadcasts, if they are under suspicion."""
        name, suspects = equation.primitive.name, set[Hashable]()
        if name not in ELEMENTWISE:
            return suspects
        result = _shape(equation.outvars[0])
        full = [side for side in sides if len(side.operand.shape) == len(result) > 1]
        for one, other in combinations(full, 2):
            verdict = judge(name, one, other, place)
            if verdict is None:
                self.meant |= joined(one, other) | joined(other, one)
                continue
            shapes = as_written(one, place.site), as_written(other, place.site)
            broadcast = Broadcast(place.stack, shapes, result)
            if verdict is Verdict.MEANT:
                self.meant |= {broadcast.key, *place.stack[:1]}
                continue
            suspects.add(broadcast.key)
            if verdict is Verdict.IF_SUMMED:
                self.waiting.setdefault(broadcast.key, broadcast)
            else:
                self.suspected.append(broadcast)
            if verdict is not Verdict.ACCIDENT:
                self.if_lost.add(broadcast.key)
        return suspects


def _shape(atom: Var | Literal | DropVar) -> tuple[int, ...]:
    return tuple(getattr(atom.aval, "shape", ()))
