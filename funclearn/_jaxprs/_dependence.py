"""What depends on what in a program, by data or by control."""

from collections.abc import Callable, Sequence

from jax.extend.core import ClosedJaxpr, JaxprEqn, Var, primitives

from funclearn._jaxprs._equations import called, inner_jaxprs
from funclearn._jaxprs._evaluation import interpret
from funclearn._jaxprs._loops import linear_solver, scan_of, while_of

__all__ = ["carried", "depends", "leading"]


def depends(jaxpr: ClosedJaxpr, arguments: Sequence[bool]) -> list[bool]:
    """Which results of a jaxpr depend on those of its arguments that are marked.

    An operation makes all of its results depend on all of its operands; calls, branches
    and loops are looked into.
    """
    return interpret(jaxpr, arguments, _rule, lambda _: False)


def carried(
    body: ClosedJaxpr,
    constants: Sequence[bool],
    carry: Sequence[bool],
    rows: Sequence[bool] = (),
) -> list[bool]:
    """Which parts of the carry of a loop depend on something after any of its steps."""
    found = list(carry)
    while True:
        results = depends(body, [*constants, *found, *rows])[: len(found)]
        step = [old or new for old, new in zip(found, results, strict=True)]
        if step == found:
            return found
        found = step


def leading(
    jaxpr: ClosedJaxpr, results: Sequence[bool], is_end: Callable[[JaxprEqn], bool]
) -> set[Var]:
    """The variables of a jaxpr on which some of its operations or results depend.

    Args:
        jaxpr: the program; what branches and loops take is always among these.
        results: which of its results.
        is_end: which of its operations, those in calls as well.
    """
    pairs = zip(jaxpr.jaxpr.outvars, results, strict=True)
    found = {atom for atom, flag in pairs if flag and isinstance(atom, Var)}
    for equation in reversed(jaxpr.eqns):
        flags = [variable in found for variable in equation.outvars]
        read = equation.invars
        if inside := called(equation):
            within = leading(inside, flags, is_end)
            pairs = zip(read, inside.jaxpr.invars, strict=True)
            read = [atom for atom, variable in pairs if variable in within]
        elif not (any(flags) or is_end(equation) or any(inner_jaxprs(equation))):
            continue
        found |= {atom for atom in read if isinstance(atom, Var)}
    return found


def _rule(equation: JaxprEqn, operands: list[bool]) -> Sequence[bool]:
    if inside := called(equation):
        return depends(inside, operands)
    rule = {
        primitives.cond_p: _cond,
        primitives.linear_solve_p: _solve,
        primitives.scan_p: _scan,
        primitives.while_p: _while,
    }.get(equation.primitive, _operation)
    return rule(equation, operands)


def _operation(equation: JaxprEqn, operands: list[bool]) -> list[bool]:
    return [any(operands)] * len(equation.outvars)


def _cond(equation: JaxprEqn, operands: list[bool]) -> list[bool]:
    index, *others = operands
    found = [depends(branch, others) for branch in inner_jaxprs(equation)]
    return [index or any(flags) for flags in zip(*found, strict=True)]


def _scan(equation: JaxprEqn, operands: list[bool]) -> list[bool]:
    scan = scan_of(equation, operands)
    carry = carried(scan.body, scan.constants, scan.carry, scan.rows)
    results = depends(scan.body, [*scan.constants, *carry, *scan.rows])
    return [*carry, *results[len(carry) :]]


def _while(equation: JaxprEqn, operands: list[bool]) -> list[bool]:
    loop = while_of(equation, operands)
    carry = carried(loop.body, loop.constants, loop.carry)
    (goes_on,) = depends(loop.test, [*loop.test_constants, *carry])
    return [goes_on or flag for flag in carry]


def _solve(equation: JaxprEqn, operands: list[bool]) -> list[bool]:
    return depends(*linear_solver(equation, operands))
