"""What is not finite, and which operation made it so."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from funclearn import _programs
from funclearn._jaxprs import ClosedJaxpr, JaxprEqn, bind, called, interpret
from funclearn._types import Batch, Objective, Params, Scalar
from funclearn.diagnosis._divergence import DivergenceCause
from funclearn.diagnosis._floating import floating_leaves
from funclearn.diagnosis._precision import in_single_precision
from funclearn.diagnosis._reruns import Rerun
from funclearn.diagnosis._runs import all_finite
from funclearn.training import TrainState

__all__ = ["Operation", "fatal_operation", "first_not_finite_operation", "not_finite"]

_LOOK_FOR = "look for roots, logarithms and divisions at zero, and for large numbers"

# Operations with points where they have no value; the others only grow too large.
_WITH_DOMAINS = frozenset(
    "acos acosh asin atanh cholesky digamma div integer_pow lgamma log log1p pow rem "
    "rsqrt sqrt triangular_solve".split()
)
# Whoever overflows from numbers beyond has been led there by something else.
_LARGE = 1e12


class Operation(NamedTuple):
    """An operation that is given finite numbers and returns others.

    Attributes:
        name: as JAX calls it.
        low: the smallest number that it is given.
        high: the largest one.
        overflows: whether its result is too large, where it has one.
    """

    name: str
    low: float
    high: float
    overflows: bool

    @property
    def tells(self) -> bool:
        """Whether it says more than that the numbers had grown without end."""
        return not self.overflows or max(-self.low, self.high) < _LARGE

    def __str__(self) -> str:
        """The operation, and from what to what its operands reach."""
        return f"{self.name} of numbers from {self.low:.4g} to {self.high:.4g}"


def not_finite(rerun: Rerun, good: TrainState) -> tuple[DivergenceCause, str] | None:
    """What is not finite without any step, and which operation made it so.

    Args:
        rerun: of the run that diverged.
        good: its last good state.
    """
    objective, _, start, train, _, _ = rerun
    look = _programs.kept(_compile, (objective,))
    loss, slope = look(start.params, train, start.key)
    # Values that a mask hides from the objective do no harm.
    if not all_finite((loss, slope)) and not all_finite(floating_leaves(train)):
        return DivergenceCause.DATA, ""
    if not all_finite(loss):
        if not all_finite(start.params):
            return DivergenceCause.START, "they are not finite themselves"
        return DivergenceCause.START, _culprit(objective, start, train)
    _, slope = look(good.params, train, good.key)
    if not all_finite(slope):
        found = _culprit(jax.grad(objective), good, train)
        return DivergenceCause.GRADIENT, f"{found}{found and '; '}{_LOOK_FOR}"
    return None


def _compile(
    take: Callable[[], tuple[Objective]],
) -> Callable[[Params, Batch, PRNGKeyArray], tuple[Scalar, Params]]:
    @jax.jit
    def look(params: Params, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Params]:
        return jax.value_and_grad(*take())(params, batch, key)

    return look


def _culprit(function: Callable[..., PyTree], state: TrainState, train: Batch) -> str:
    found = first_not_finite_operation(function, state.params, train, state.key)
    return "" if found is None else str(found)


def fatal_operation(rerun: Rerun, bad: TrainState) -> Operation | None:
    """What made the first loss that is not finite; None where the parameters did.

    Args:
        rerun: of the run that diverged.
        bad: the state before the epoch with that loss.
    """
    if not all_finite(bad.params):
        return None
    bad = in_single_precision(bad)
    at = bad.params, rerun.train, bad.key
    return first_not_finite_operation(rerun.objective, *at)


def first_not_finite_operation(
    function: Callable[..., PyTree], *arguments: PyTree
) -> Operation | None:
    """The first operation that makes finite numbers into others.

    It looks into functions that are called, not into loops.

    Args:
        function: is evaluated at the arguments, operation by operation.
        *arguments: pytrees of arrays.
    """
    found: list[Operation] = []

    def rule(equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
        inside = called(equation)
        if inside is not None:
            return interpret(inside, operands, rule)
        results = bind(equation, operands)
        if not found and _finite(operands) and not _finite(results):
            found.append(_operation(equation, operands, results))
        return results

    program: ClosedJaxpr = jax.make_jaxpr(function)(*arguments)
    interpret(program, jax.tree.leaves(arguments), rule)
    return found[0] if found else None


def _numbers(values: Sequence[Any]) -> list[np.ndarray]:
    arrays = [value for value in values if _is_floating(value)]
    return [np.asarray(value, np.float64) for value in arrays if np.size(value)]


def _is_floating(value: Any) -> bool:
    return jnp.issubdtype(getattr(value, "dtype", type(value)), jnp.floating)


def _finite(values: Sequence[Any]) -> bool:
    return all(np.isfinite(array).all() for array in _numbers(values))


def _operation(
    equation: JaxprEqn, operands: Sequence[Any], results: Sequence[Any]
) -> Operation:
    given, made = _numbers(operands), _numbers(results)
    name = equation.primitive.name
    lacks = any(np.isnan(array).any() for array in made)
    if name in _WITH_DOMAINS:
        # Large powers of large numbers are too large; powers of zero are not.
        low = min(float(np.abs(array).min()) for array in given)
        lacks = lacks or low == 0
    return Operation(
        name=name,
        low=min(float(array.min()) for array in given),
        high=max(float(array.max()) for array in given),
        overflows=not lacks,
    )
