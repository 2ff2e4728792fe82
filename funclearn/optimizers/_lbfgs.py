"""L-BFGS as PyTorch has it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from funclearn._checks import integer_at_least
from funclearn._types import Params, Scalar, ScalarLike
from funclearn.optimizers._lbfgs_descent import (
    Evaluate,
    LBFGSState,
    LineSearchLBFGSState,
    Settings,
    Vector,
    descended,
    start_descent,
)
from funclearn.optimizers._lbfgs_memory import forget
from funclearn.optimizers._numbers import Number, checked, value_of

__all__ = ["lbfgs"]


def lbfgs(
    lr: Number = 1,
    max_iter: int = 20,
    max_eval: int | None = None,
    tolerance_grad: ScalarLike = 1e-7,
    tolerance_change: ScalarLike = 1e-9,
    history_size: int = 100,
    line_search_fn: str | None = None,
) -> optax.GradientTransformationExtraArgs:
    """The limited-memory BFGS method, as `torch.optim.LBFGS`.

        y <- g - g_before,   s <- t * d             kept if y.s > 1e-10
        d <- -H g                                   H by the last pairs (s, y)
        p <- p + t * d

    One update is one `optimizer.step(closure)`: up to `max_iter` such iterations on one
    batch. `t` is the learning rate, in the very first iteration divided by the sum of
    the gradient's absolute values if that is more than 1; with
    `line_search_fn="strong_wolfe"` it is what PyTorch's search finds from there on. An
    update ends earlier when the gradient is at most `tolerance_grad` everywhere, when
    the step or the change of the loss is less than `tolerance_change`, when `d` is no
    direction of descent, or after `max_eval` evaluations of the objective. As in
    PyTorch, `max_iter=1` has a search that makes one trial only, unless `max_eval` is
    given.

    `update` takes the keywords `value`, `value_fn` and `grad_fn`, which a train step
    gives; without `grad_fn` the gradient of `value_fn` is taken. It needs none of them
    where one iteration without a search is made. It has to be alone or the first of a
    chain: later gradients in an update are those of `value_fn`. For the same reason a
    mask is refused beyond one iteration; `jax.lax.stop_gradient` in the objective
    freezes parameters, exactly. Parameters of half precision are moved in float32.

    Without a search the update is of static length and can be differentiated both ways;
    the pairs are then kept for every iteration, so a small `history_size` saves memory.
    With a search there is forward mode only.

    It is PyTorch's method, comparison for comparison, but no two programs that sum in
    different orders go the same way for long: the method multiplies a rounding by up to
    1e5 in 20 iterations of an ill-conditioned problem, until the paths are different
    ones to the same minimum, and near it decides by differences that are roundings.
    PyTorch started from parameters that differ by 2e-16 of themselves is 2e-8 of the
    largest away from itself after two updates of a quadratic of condition number 1e4 in
    six dimensions, and 1e-3 after ten of a 2-8-1 network, where its numbers of
    evaluations differ as well. From this one it is as far as from itself: over 200
    updates on three problems, with six settings and three rates, at most 1e-12 of the
    largest parameter, or 20 times as far; and one update from any state of PyTorch's
    own is equal to 1e-12. In float32 ten updates of one iteration and rate 0.1 are
    within 1e-6 of the largest parameter.

    Args:
        lr: the step; a number, a traced scalar or a schedule of the number of updates.
        max_iter: the most iterations in an update.
        max_eval: the most evaluations in an update, that before it included; None for
            `max_iter * 5 // 4`.
        tolerance_grad: the largest gradient that ends an update.
        tolerance_change: the least change of parameters and loss that does not.
        history_size: how many pairs are kept.
        line_search_fn: None or `"strong_wolfe"`.

    Returns:
        A transformation whose state has the number of updates, `count`, and those of
        iterations and evaluations. Its `update` raises ValueError without `params` or
        behind a mask, and TypeError without a `value_fn` that it needs.

    Raises:
        TypeError: if `max_iter`, `max_eval` or `history_size` is no integer.
        ValueError: if one of them is less than 1, `lr` is negative, or
            `line_search_fn` another one.

    References:
        Liu and Nocedal, On the limited memory BFGS method for large scale
        optimization, 1989; Nocedal and Wright, Numerical Optimization, 2006, chapters 3
        and 7; torch/optim/lbfgs.py.

    Example:
        >>> train, scaler = fl.data.standardise(fl.data.thermometer())
        >>> model = fl.models.linear
        >>> optimizer = fl.optimizers.lbfgs(line_search_fn="strong_wolfe")
        >>> objective = fl.make_objective(model, fl.losses.mse)
        >>> step = fl.make_train_step(objective, optimizer)
        >>> key = jax.random.key(0)
        >>> state = fl.init_state(key, model.init(key), optimizer)
        >>> run = fl.fit(step, state, train, epochs=2)
        >>> iterations = run.state.opt_state.iterations
        >>> print(f"{run.final.loss:.3f} after {iterations} iterations")
        2.928 after 4 iterations
    """
    number = checked("lr", lr, at_least=0.0)
    max_iter = integer_at_least("max_iter", max_iter, 1)
    if max_eval is None:
        max_eval = max_iter * 5 // 4
    max_eval = integer_at_least("max_eval", max_eval, 1)
    history_size = integer_at_least("history_size", history_size, 1)
    if line_search_fn not in (None, "strong_wolfe"):
        raise ValueError(
            f"line_search_fn must be None or 'strong_wolfe'; got {line_search_fn!r}."
        )
    searches = line_search_fn is not None
    settings = Settings(max_iter, max_eval, tolerance_grad, tolerance_change, searches)
    return _transformation(number, history_size, settings)


def _transformation(
    lr: Number, history_size: int, settings: Settings
) -> optax.GradientTransformationExtraArgs:
    kind = LineSearchLBFGSState if settings.searches else LBFGSState

    def init(params: Params) -> LBFGSState:
        flat, _ = _flattened(params)
        none = jnp.zeros((), jnp.int32)
        empty, zero = jnp.zeros_like(flat), jnp.zeros((), flat.dtype)
        memory = forget(flat, history_size)
        return kind(none, none, none, empty, zero, empty, memory)

    def update(
        updates: Params,
        state: PyTree,
        params: Params | None = None,
        *,
        value: ScalarLike | None = None,
        value_fn: Callable[[Params], Scalar] | None = None,
        grad_fn: Callable[[Params], Params] | None = None,
        **_: Any,
    ) -> tuple[Params, LBFGSState]:
        _check_params(params)
        start, unravel = _flattened(params)
        if not start.size:
            return updates, state
        # Of one step without a search the loss decides nothing.
        evaluate, loss = None, 0.0 if value is None else value
        if settings.searches or settings.max_iter > 1:
            objective = _checked(value_fn, params)
            evaluate = _evaluation(objective, grad_fn, unravel)
            loss = objective(params) if value is None else value
        rate = jnp.asarray(value_of(lr, state.count, start.dtype), start.dtype)
        run = start_descent(state, start, loss, _flattened(updates)[0], settings)
        ended = descended(run, rate, evaluate, settings)
        total = state.evaluations + ended.evaluations
        after = ended.state._replace(count=state.count + 1, evaluations=total)
        return unravel(ended.params - start), after

    return optax.GradientTransformationExtraArgs(init, update)


def _check_params(params: Params | None) -> None:
    if params is None:
        raise ValueError(
            "params must be given to the update of lbfgs, which moves them; got None: "
            "call update(grads, state, params)."
        )


def _flattened(tree: Params) -> tuple[Vector, Callable[[Vector], Params]]:
    """All numbers in one vector of single precision or better, and the way back."""

    def widened(leaf: Array) -> Array:
        return jnp.asarray(leaf, jnp.promote_types(jnp.result_type(leaf), jnp.float32))

    flat, unravel = ravel_pytree(jax.tree.map(widened, tree))

    def back(flat: Vector) -> Params:
        return jax.tree.map(
            lambda leaf, like: jnp.asarray(leaf, jnp.result_type(like)),
            unravel(flat),
            tree,
        )

    return flat, back


def _evaluation(
    value_fn: Callable[[Params], Scalar],
    grad_fn: Callable[[Params], Params] | None,
    unravel: Callable[[Vector], Params],
) -> Evaluate:
    """The objective and its gradient as functions of one vector."""

    def evaluate(flat: Vector) -> tuple[Scalar, Vector]:
        params = unravel(flat)
        if grad_fn is None:
            value, grads = jax.value_and_grad(value_fn)(params)
        else:
            value, grads = value_fn(params), grad_fn(params)
        return jnp.asarray(value, flat.dtype), _flattened(grads)[0]

    return evaluate


def _checked(
    value_fn: Callable[[Params], Scalar] | None, params: Params
) -> Callable[[Params], Scalar]:
    """Refuses what the objective cannot be evaluated with."""
    if value_fn is None:
        raise TypeError(
            "lbfgs needs the keyword value_fn, the objective as a function of the "
            "parameters, unless max_iter is 1 and line_search_fn None; got none."
        )

    def masked(node: object) -> bool:
        return isinstance(node, optax.MaskedNode)

    if any(map(masked, jax.tree.leaves(params, is_leaf=masked))):
        raise ValueError(
            "lbfgs evaluates the objective at all parameters, of which a mask hides "
            "some, unless max_iter is 1 and line_search_fn None; freeze them in the "
            "objective, by jax.lax.stop_gradient."
        )
    return value_fn
