"""The tape of a jaxpr: its equations in order, with their operands and values.

Calls, as those of `jax.jit`, are replaced by the equations of the function called.
Names given with `checkpoint_name` are recorded. Equations that return their operand
unchanged are left out, and those that depend on no input become constants.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from funclearn import _jaxprs
from funclearn._jaxprs import (
    ClosedJaxpr,
    DropVar,
    JaxprEqn,
    Literal,
    ShapedArray,
    Var,
    primitives,
)
from funclearn.graphs._equations import evaluate, is_inexact

__all__ = ["Record", "Result", "Tape", "record"]

# Where shape and dtype stay the same, these return their operand unchanged.
_CAN_CHANGE_NOTHING = {
    primitives.broadcast_in_dim_p,
    primitives.convert_element_type_p,
    primitives.copy_p,
    primitives.reshape_p,
    primitives.squeeze_p,
}


class Result(NamedTuple):
    """One result of the record at a position of the tape."""

    position: int
    slot: int


class Record(NamedTuple):
    """An input, a constant or an equation, which may become a node of the graph.

    Attributes:
        operation: `"input"`, `"constant"` or the name of the primitive.
        results: its values.
        active: whether it depends on a floating-point input, and not by way of
            `stop_gradient`.
        equation: the equation, if it is one.
        operands: where the equation's variables come from.
    """

    operation: str
    results: Sequence[Array]
    active: bool = False
    equation: JaxprEqn | None = None
    operands: Mapping[Var, Result] = {}


class Tape(NamedTuple):
    """Records in the order of their evaluation, and the names that some have."""

    records: list[Record]
    names: dict[int, str]

    def add(self, record: Record) -> list[Result]:
        """Appends a record and returns where its results are."""
        self.records.append(record)
        return self.results(len(self.records) - 1)

    def results(self, position: int) -> list[Result]:
        """Lists where the results of the record at a position are."""
        count = len(self.records[position].results)
        return [Result(position, slot) for slot in range(count)]

    def value(self, result: Result) -> Array:
        """Looks up a value."""
        return self.records[result.position].results[result.slot]

    def operand_values(self, position: int) -> dict[Var, Array]:
        """Looks up the values of the operands of the equation at a position."""
        operands = self.records[position].operands
        return {variable: self.value(result) for variable, result in operands.items()}

    def has_adjoint(self, result: Result) -> bool:
        """Whether the output can be differentiated with respect to a result."""
        return self.records[result.position].active and is_inexact(self.value(result))


def record(
    jaxpr: ClosedJaxpr,
    names: Sequence[str],
    arguments: Sequence[Array],
    active: Sequence[bool] | None = None,
) -> tuple[Tape, list[Result]]:
    """Evaluates a jaxpr, equation by equation.

    Args:
        jaxpr: what to evaluate.
        names: of its inputs.
        arguments: values of its inputs.
        active: which of these to differentiate with respect to, if they are
            floating-point; None for all.

    Returns:
        The tape, which starts with the inputs, and where the outputs are.
    """
    tape = Tape([], dict(enumerate(names)))
    flags = [True] * len(arguments) if active is None else active
    inputs = [
        tape.add(Record("input", (value,), flag and is_inexact(value)))[0]
        for value, flag in zip(arguments, flags, strict=True)
    ]
    return tape, _record(tape, jaxpr, inputs)


def _constant(tape: Tape, value: ArrayLike | np.generic) -> Result:
    return tape.add(Record("constant", (jnp.asarray(value),)))[0]


def _record(
    tape: Tape, jaxpr: ClosedJaxpr, arguments: Sequence[Result]
) -> list[Result]:
    return _jaxprs.interpret(
        jaxpr,
        arguments,
        lambda equation, operands: _apply(tape, equation, operands),
        lambda value: _constant(tape, value),
    )


def _apply(tape: Tape, equation: JaxprEqn, operands: list[Result]) -> list[Result]:
    called = _jaxprs.called(equation)
    if called and not _jaxprs.has_rule(equation):
        return _record(tape, called, operands)
    if equation.primitive is primitives.name_p:
        return _name(tape, equation, operands[0])
    if equation.primitive in _CAN_CHANGE_NOTHING and _changes_nothing(equation):
        return operands
    return _evaluate(tape, equation, operands)


def _changes_nothing(equation: JaxprEqn) -> bool:
    before = cast(ShapedArray, equation.invars[0].aval)
    after = cast(ShapedArray, equation.outvars[0].aval)
    return (before.shape, before.dtype) == (after.shape, after.dtype)


def _name(tape: Tape, equation: JaxprEqn, operand: Result) -> list[Result]:
    name = equation.params["name"]
    # A name belongs to a record: a second name, or that of one result among several,
    # needs a record of its own.
    named = tape.records[operand.position]
    if operand.position not in tape.names and _has_one_result(named):
        tape.names[operand.position] = name
        return [operand]
    (result,) = _evaluate(tape, equation, [operand])
    tape.names[result.position] = name
    return [result]


def _has_one_result(record: Record) -> bool:
    variables = record.equation.outvars if record.equation else ()
    kept = [v for v in variables if not isinstance(v, DropVar)]
    return len(kept) == 1


def _evaluate(tape: Tape, equation: JaxprEqn, operands: list[Result]) -> list[Result]:
    sources = {
        atom: operand
        for atom, operand in zip(equation.invars, operands, strict=True)
        if not isinstance(atom, Literal)
    }
    values = {atom: tape.value(source) for atom, source in sources.items()}
    results = evaluate(equation, values)
    if all(_is_unnamed_constant(tape, operand) for operand in operands):
        # Its value does not depend on the inputs, so how it was computed is left out.
        return [_constant(tape, result) for result in results]
    # What follows is then no more differentiated than JAX does it.
    stopped = equation.primitive is primitives.stop_gradient_p
    active = not stopped and any(map(tape.has_adjoint, operands))
    operation = equation.primitive.name
    return tape.add(Record(operation, results, active, equation, sources))


def _is_unnamed_constant(tape: Tape, result: Result) -> bool:
    operation = tape.records[result.position].operation
    return operation == "constant" and result.position not in tape.names
