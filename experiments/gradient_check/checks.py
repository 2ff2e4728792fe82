"""Three gradient checks, put to the same gradients of one objective.

JAX's check and chex's differentiate a function themselves. A gradient from elsewhere
is therefore made the function's own, by a derivative rule.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import chex
import jax
from jax.flatten_util import ravel_pytree
from jax.test_util import check_grads

import funclearn as fl
from funclearn.gradients import Agreement

__all__ = [
    "ACCEPTS",
    "CANNOT_TELL",
    "CHECKS",
    "OURS",
    "REJECTS",
    "Duel",
    "Gradient",
    "Objective",
    "evaluate",
    "fight",
]

ACCEPTS, REJECTS, CANNOT_TELL = "accepts", "rejects", "cannot tell"
CHECKS = JAX, CHEX, OURS = ("check_grads", "chex", "funclearn")

_MEANING = {
    Agreement.AGREES: ACCEPTS,
    # `assert_gradients_agree` lets it pass with a warning.
    Agreement.NEARLY_AGREES: ACCEPTS,
    Agreement.DISAGREES: REJECTS,
    Agreement.CANNOT_TELL: CANNOT_TELL,
}

Gradient: TypeAlias = Callable[[Any, fl.Dataset], Any]
Objective: TypeAlias = Callable[[Any, fl.Dataset, Any], jax.Array]


class Duel(NamedTuple):
    """What the checks said in one setting.

    Attributes:
        verdicts: check -> gradient -> verdict.
        power: the smallest relative error that `compare` would have caught.
        near: the gradients that `compare` accepts although they only nearly agree.
    """

    verdicts: dict[str, dict[str, str]]
    power: float
    near: tuple[str, ...] = ()


def fight(
    objective: Objective,
    candidates: Mapping[str, Gradient],
    params: Any,
    data: fl.Dataset,
) -> Duel:
    """Puts the gradients to the three checks."""
    report = fl.gradients.compare(objective, params, data, against=candidates)
    point, _ = ravel_pytree(params)
    verdicts: dict[str, dict[str, str]] = {check: {} for check in CHECKS}
    for tested in report.closed_forms:
        verdicts[OURS][tested.name] = _MEANING[tested.verdict]
        grads = evaluate(candidates[tested.name], params, data)

        def function(point, grads=grads):
            return _compiled(objective, point, params, data, grads)

        verdicts[JAX][tested.name] = _verdict(check_grads, function, point)
        verdicts[CHEX][tested.name] = _verdict(
            chex.assert_numerical_grads, function, point
        )
    near = tuple(
        tested.name
        for tested in report.closed_forms
        if tested.verdict is Agreement.NEARLY_AGREES
    )
    return Duel(verdicts, report.power, near)


@jax.jit
def evaluate(gradient: Gradient, params: Any, data: fl.Dataset) -> jax.Array:
    """A gradient, flattened to one vector."""
    return ravel_pytree(gradient(params, data))[0]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _with_gradient(
    objective: Objective,
    point: jax.Array,
    params: Any,
    data: fl.Dataset,
    grads: jax.Array,
) -> jax.Array:
    """The objective at a flattened point, with another gradient than its own."""
    _, unravel = ravel_pytree(params)
    return objective(unravel(point), data, None)


def _forward(
    objective: Objective,
    point: jax.Array,
    params: Any,
    data: fl.Dataset,
    grads: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    return _with_gradient(objective, point, params, data, grads), grads


def _backward(
    objective: Objective, grads: jax.Array, cotangent: jax.Array
) -> tuple[jax.Array, None, None, None]:
    return cotangent * grads, None, None, None


_with_gradient.defvjp(_forward, _backward)
_compiled = jax.jit(_with_gradient, static_argnums=0)


def _verdict(
    check: Callable[..., None],
    function: Callable[[jax.Array], jax.Array],
    point: jax.Array,
) -> str:
    try:
        check(function, (point,), order=1, modes=("rev",))
    except AssertionError:
        return REJECTS
    return ACCEPTS
