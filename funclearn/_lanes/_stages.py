"""A program cut into stages, some of which XLA may compile into one function.

Of a stage that is compiled so, all arguments are those of a program of its own, and so
unknown to XLA: were one a constant, XLA could write it into the function, find the
argument unused, and end the process.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias, TypeVar

import jax
from jax.typing import ArrayLike

from funclearn import _jaxprs
from funclearn._jaxprs import ClosedJaxpr, JaxprEqn
from funclearn._lanes._small import (
    Constants,
    is_loop,
    is_small,
    parts,
    writes,
    writes_apart,
)

__all__ = ["Program", "Stage", "Value", "cut"]

V = TypeVar("V")


class Value:
    """A value of a program, told from others by being itself.

    Attributes:
        aval: its type in a single lane.
        of_lane: whether it depends on the lane.
    """

    def __init__(self, aval: Any, of_lane: bool) -> None:
        self.aval, self.of_lane = aval, of_lane


Atom: TypeAlias = Value | ArrayLike
"""A value, or a literal."""


class _Step(NamedTuple):
    equation: JaxprEqn
    operands: list[Atom]
    results: list[Value]


class Stage(NamedTuple):
    """Equations in a row.

    Attributes:
        run: `(*arguments) -> results`, of one lane.
        arguments: the values that it takes.
        results: the values that it hands on.
        small: whether it is a small loop, and what is around it.
    """

    run: Callable[..., list[jax.Array]]
    arguments: list[Value]
    results: list[Value]
    small: bool


class Program(NamedTuple):
    """A program in stages.

    Attributes:
        stages: in the order in which they run.
        arguments: the values of its constants, then those of its arguments.
        results: values, or literals.
    """

    stages: list[Stage]
    arguments: list[Value]
    results: list[Atom]


def cut(closed: ClosedJaxpr, size: int, whole: bool = True) -> Program:
    """Cuts a program of one lane into stages.

    Args:
        closed: the program.
        size: number of lanes that will run together.
        whole: whether to look for small loops; if not there is one stage.
    """
    jaxpr = _jaxprs.close(_jaxprs.split_constants(closed)[0])
    n_constants = len(jaxpr.in_avals) - len(closed.in_avals)
    arguments = [
        Value(aval, place >= n_constants) for place, aval in enumerate(jaxpr.in_avals)
    ]
    steps: list[_Step] = []

    def rule(equation: JaxprEqn, operands: list[Atom]) -> Sequence[Atom]:
        inside = _jaxprs.called(equation) if equation.primitive.name == "jit" else None
        if whole and inside and any(map(is_loop, parts(equation))):
            return _jaxprs.interpret(inside, operands, rule)
        of_lane = any(isinstance(one, Value) and one.of_lane for one in operands)
        results = [Value(atom.aval, of_lane) for atom in equation.outvars]
        steps.append(_Step(equation, operands, results))
        return results

    results = _jaxprs.interpret(jaxpr, arguments, rule)
    needed = {one for one in results if isinstance(one, Value)}
    stages: list[Stage] = []
    groups = groupby(_live(steps, needed), lambda step: whole and _is_small(step, size))
    for small, row in reversed([(small, list(row)) for small, row in groups]):
        stages.append(_stage(row, needed, small))
        needed |= set(stages[-1].arguments)
    return Program(stages[::-1], arguments, results)


def _is_small(step: _Step, size: int) -> bool:
    if not is_small(step.equation, size):
        return False
    if not any(map(writes, parts(step.equation))):
        return True
    # Whether lanes write to places of their own shows once they are mapped; two tell.
    flags = [isinstance(one, Value) and one.of_lane for one in step.operands]
    mapped = size > 1 and any(flags)

    def run(*values: jax.Array) -> Sequence[jax.Array]:
        return _jaxprs.apply(step.equation, list(values))

    if mapped:
        run = jax.vmap(run, in_axes=[0 if of_lane else None for of_lane in flags])
    avals: list[Any] = [atom.aval for atom in step.equation.invars]
    types = [
        jax.ShapeDtypeStruct((2,) * (mapped and of_lane) + aval.shape, aval.dtype)
        for aval, of_lane in zip(avals, flags, strict=True)
    ]
    closed = jax.make_jaxpr(run)(*types)
    return not any(map(writes_apart, [x for one in closed.eqns for x in parts(one)]))


def _live(steps: Sequence[_Step], needed: set[Value]) -> list[_Step]:
    """The steps without which the values needed could not be had."""
    live, used = [], set(needed)
    for step in reversed(steps):
        if step.equation.effects or used.intersection(step.results):
            live.append(step)
            used.update(one for one in step.operands if isinstance(one, Value))
    return live[::-1]


def _stage(steps: Sequence[_Step], needed: set[Value], small: bool) -> Stage:
    made = [result for step in steps for result in step.results]
    taken = [one for step in steps for one in step.operands if isinstance(one, Value)]
    inside = set(made)
    arguments = list(dict.fromkeys(one for one in taken if one not in inside))
    results = [one for one in made if one in needed]

    def run(*values: jax.Array) -> list[jax.Array]:
        known = dict(zip(arguments, values, strict=True))
        _go_through(steps, known, _jaxprs.apply, lambda literal: literal)
        return [known[one] for one in results]

    loops = any(is_loop(part) for step in steps for part in parts(step.equation))
    constants = Constants()
    known = dict.fromkeys(arguments, False)
    _go_through(steps, known, constants.follow, constants.see)
    return Stage(run, arguments, results, small and loops and not constants.large)


def _go_through(
    steps: Sequence[_Step],
    known: dict[Value, V],
    rule: Callable[[JaxprEqn, list[V]], Sequence[V]],
    literal: Callable[[Any], Any],
) -> None:
    """Adds to what is known of values what a rule makes of every step."""
    for equation, operands, results in steps:
        values = [
            known[one] if isinstance(one, Value) else literal(one) for one in operands
        ]
        known.update(zip(results, rule(equation, values), strict=True))
