"""One update of the parameters."""

import jax
import optax
from jaxtyping import PyTree

from funclearn import gradients
from funclearn._checks import check_floating, check_key, check_same_structure
from funclearn._types import Batch, GradientMethod, Objective, Params
from funclearn.training._state import StepInfo, TrainState, TrainStep

__all__ = ["make_train_step"]

_NOISE_STREAM, _ORDER_STREAM = 0, 1


def make_train_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    *,
    gradient: GradientMethod = gradients.autodiff,
) -> TrainStep:
    """Joins an objective, an optimizer and a way to the gradient to one update.

    The optimizer is given the loss, the gradient and the objective at the step's own
    batch as `value`, `grad` and `value_fn`, so optimizers with a line search go
    through the same step. Parameters are frozen by optax's masks. Of `optax.lbfgs` a
    run's derivatives are exact with `scale_init_precond=False`; otherwise optax takes
    its first scaling as constant.

    Args:
        objective: `(params, batch, key) -> scalar`.
        optimizer: any optax gradient transformation.
        gradient: `funclearn.gradients.autodiff`, `finite_difference()` or
            `given(closed_form)`.

    Returns:
        `train_step(state, batch) -> (state, StepInfo(loss, grads))`, pure. It raises
        ValueError while tracing if `state` was made for another optimizer.

    Example:
        >>> optimizer = optax.sgd(0.1)
        >>> def objective(w, batch, key):
        ...     return jnp.mean(batch * w**2)
        >>> step = fl.make_train_step(objective, optimizer)
        >>> state = fl.init_state(jax.random.key(0), 3.0, optimizer)
        >>> state, info = step(state, jnp.ones(4))
        >>> print(info.loss, info.grads, f"{state.params:.1f}")
        9.0 6.0 2.4
    """
    value_and_grad = gradient(objective)
    update = optax.with_extra_args_support(optimizer).update

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, StepInfo]:
        check_key("state.key", state.key)
        check_floating("state.params", state.params)
        check_same_structure(
            "state.opt_state",
            state.opt_state,
            jax.eval_shape(optimizer.init, state.params),
            "the state of the optimizer that this train step was made with",
        )
        key = jax.random.fold_in(
            jax.random.fold_in(state.key, _NOISE_STREAM), state.step
        )
        loss, grads = value_and_grad(state.params, batch, key)
        updates, opt_state = update(
            grads,
            state.opt_state,
            state.params,
            value=loss,
            grad=grads,
            value_fn=lambda params: objective(params, batch, key),
        )
        params = optax.apply_updates(state.params, updates)
        if _has_line_search(opt_state):
            params = _forward_mode_only(params)
        state = state._replace(params=params, opt_state=opt_state, step=state.step + 1)
        return state, StepInfo(loss, grads)

    return train_step


def _has_line_search(opt_state: PyTree) -> bool:
    kinds = (optax.ScaleByBacktrackingLinesearchState, optax.ScaleByZoomLinesearchState)
    nodes = jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, kinds))
    return any(isinstance(node, kinds) for node in nodes)


@jax.custom_jvp
def _forward_mode_only(params: Params) -> Params:
    return params


@_forward_mode_only.defjvp
def _forward_mode_only_jvp(primals: PyTree, tangents: PyTree) -> tuple[PyTree, PyTree]:
    def refuse(_, cotangent: PyTree) -> PyTree:
        raise ValueError(
            "optimizer has a line search, a loop of unknown length, which reverse-mode "
            "differentiation (jax.grad) of a run cannot cross; use forward mode "
            "(jax.jvp, jax.jacfwd), or an optimizer without a line search."
        )

    (params,), (tangent,) = primals, tangents
    identity = jax.custom_derivatives.linear_call
    return params, identity(lambda _, tangent: tangent, refuse, (), tangent)
