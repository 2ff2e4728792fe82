"""Any optax transformation, called with the keywords that it takes.

Optax hands keywords on to what is nested in a chain, a mask or a partition, and a
transformation that does not take one of them raises TypeError: whoever calls has to
know what is inside. Here all are offered, and those that are refused are taken back.
"""

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import optax
from jaxtyping import Array, PyTree

from funclearn import _jaxprs
from funclearn._notes import trainable, with_trainable
from funclearn._types import Params
from funclearn._words import described
from funclearn.training._units import as_unit

__all__ = [
    "Optimizer",
    "check_lookahead",
    "check_optimizer",
    "moved",
    "trained",
    "update",
]

Optimizer: TypeAlias = optax.GradientTransformation | optax.MultiSteps
"""Anything of optax with an `init` and an `update`."""

_POSITIONAL = 3  # updates, state, params
_REFUSED = re.compile(
    r"got (?:an unexpected keyword argument|multiple values for argument) '(\w+)'"
)
_MISSING = re.compile(r"missing \d+ required keyword-only arguments?: (.*)")


def check_optimizer(name: str, optimizer: object) -> None:
    """Refuses what has no `init` and no `update` to call.

    Raises:
        TypeError: if one is missing.
    """
    methods = (getattr(optimizer, method, None) for method in ("init", "update"))
    if inspect.isclass(optimizer) or not all(map(callable, methods)):
        call = ", which is to be called first" if callable(optimizer) else ""
        raise TypeError(
            f"{name} must be an optax.GradientTransformation, such as optax.sgd(0.1); "
            f"got {described(optimizer)}{call}."
        )


def update(
    optimizer: Optimizer,
    grads: Params,
    opt_state: PyTree,
    params: Params,
    keywords: dict[str, Any],
) -> tuple[Params, PyTree]:
    """`optimizer.update` with all the keywords that it and what is in it take.

    Raises:
        TypeError: if it needs a keyword that is not among them.
    """
    call: Any = optimizer.update  # of whatever signature
    offered = _accepted(call, keywords)
    while True:
        try:
            return call(grads, opt_state, params, **offered)
        except TypeError as error:
            refused = _REFUSED.search(str(error))
            if refused and refused[1] in offered:
                del offered[refused[1]]
            elif missing := _MISSING.search(str(error)):
                raise TypeError(
                    f"optimizer needs the keyword {missing[1]}; a train step gives "
                    f"{', '.join(keywords)}, where all that is chained takes them."
                ) from error
            else:
                raise


def _accepted(function: Callable[..., PyTree], keywords: dict[str, Any]) -> dict:
    """Those of the keywords that a function's own signature has room for."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some of C have none
        return dict(keywords)
    positional, others = parameters[:_POSITIONAL], parameters[_POSITIONAL:]
    if any(one.kind is one.VAR_KEYWORD for one in others):
        # The gradient may well be the first parameter's name.
        names = keywords.keys() - {one.name for one in positional}
    else:
        by_name = {
            inspect.Parameter.KEYWORD_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        }
        names = {one.name for one in others if one.kind in by_name}
    return {name: value for name, value in keywords.items() if name in names}


def check_lookahead(params: Params, opt_state: PyTree) -> None:
    """Refuses one set of parameters where `optax.lookahead` needs two.

    Raises:
        TypeError: if the state is that of `optax.lookahead` and the parameters are not
            `optax.LookaheadParams`.
    """
    if isinstance(params, optax.LookaheadParams):
        return

    def of_lookahead(node: PyTree) -> bool:
        return isinstance(node, optax.LookaheadState)

    if any(map(of_lookahead, jax.tree.leaves(opt_state, is_leaf=of_lookahead))):
        raise TypeError(
            "params must be optax.LookaheadParams, as optax.lookahead needs, such as "
            f"optax.LookaheadParams.init_synced(params); got {described(params)}."
        )


def trained(params: Params) -> Params:
    """The parameters at which the gradient is taken: the fast ones of lookahead."""
    return params.fast if isinstance(params, optax.LookaheadParams) else params


def moved(
    optimizer: Optimizer,
    params: Params,
    grads: Params,
    opt_state: PyTree,
    arrays: dict[str, PyTree],
    functions: dict[str, Callable[..., PyTree]],
    *,
    apart: bool,
) -> tuple[Params, PyTree]:
    """The parameters and the optimizer's state after an update.

    Args:
        optimizer: what makes it.
        params: before the update, with what notes and averages they hold.
        grads: of those that are trained.
        opt_state: before the update.
        arrays: what the optimizer is given by name.
        functions: likewise.
        apart: whether it has the same bits on any number of devices. On several XLA
            finds other operations before it, and would mix and share its own otherwise.
    """

    def update_of(
        params: Params, grads: Params, opt_state: PyTree, arrays: dict[str, PyTree]
    ) -> tuple[Params, PyTree]:
        free, keywords = trainable(params), arrays | functions
        updates, opt_state = update(optimizer, grads, opt_state, free, keywords)
        return _updated(params, updates, opt_state), opt_state

    if apart:
        update_of = as_unit(_jaxprs.without_repetition(update_of))
    return update_of(params, grads, opt_state, arrays)


def _updated(params: Params, updates: Params, opt_state: PyTree) -> Params:
    free = optax.apply_updates(trainable(params), updates)
    if _has_line_search(opt_state):
        free = jax.tree.map(_forward_mode_only(), free)
    return with_trainable(params, free)


def _has_line_search(opt_state: PyTree) -> bool:
    """Whether a state in it is of optax's line searches, or of a class that says so.

    The class of `fl.optimizers.lbfgs` does, by an attribute `has_line_search`.
    """
    kinds = (optax.ScaleByBacktrackingLinesearchState, optax.ScaleByZoomLinesearchState)

    def searches(node: PyTree) -> bool:
        kind = type(node)
        return issubclass(kind, kinds) or getattr(kind, "has_line_search", False)

    return any(map(searches, jax.tree.leaves(opt_state, is_leaf=searches)))


@functools.cache
def _forward_mode_only() -> Callable[[Array], Array]:
    return _jaxprs.one_way(
        "forward_mode_only",
        "optimizer has a line search, a loop of unknown length, which reverse-mode "
        "differentiation (jax.grad) of a run cannot cross; use forward mode "
        "(jax.jvp, jax.jacfwd), or an optimizer without a line search.",
    )
