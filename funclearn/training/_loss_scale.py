"""Loss scaling: gradients of low precision that neither underflow nor overflow.

Where a model computes in float16, gradients below 6e-8 are zero. The loss is multiplied
by a scale before it is differentiated, and the gradient divided by it in the precision
of the parameters. A step whose gradient is not finite is skipped, with a smaller scale
for the next one; after many that were not, the scale grows.

References:
    Micikevicius et al., Mixed Precision Training, 2018; `torch.amp.GradScaler`, whose
    course of the scale this is.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

from funclearn._checks import integer_at_least, positive_number
from funclearn._types import Params, Scalar
from funclearn.training._update import Optimizer, check_optimizer, update

__all__ = [
    "LossScale",
    "all_finite",
    "chosen",
    "loss_scale",
    "loss_scaling",
    "steeper",
    "unscaled",
]


class LossScale(NamedTuple):
    """The state of an optimizer with loss scaling; `state.opt_state` of its runs.

    Attributes:
        scale: what the loss of the next step is multiplied by.
        steps: how many steps were made since the last change of the scale.
        skipped: how many steps were skipped, in all.
        inner: the optimizer's own state.
    """

    scale: Float[Array, ""]
    steps: Int[Array, ""]
    skipped: Int[Array, ""]
    inner: PyTree


def loss_scaling(
    optimizer: Optimizer,
    *,
    initial: float = 2.0**16,
    growth_factor: float = 2.0,
    backoff_factor: float = 0.5,
    growth_interval: int = 2000,
) -> optax.GradientTransformationExtraArgs:
    """Has a train step scale its loss, and skip the steps whose gradient overflows.

    A skipped step leaves parameters, averages, notes and the optimizer's own state as
    they were, and multiplies the scale by `backoff_factor`; it counts as a step. The
    loss and the gradient that a step tells are those without a scale. The defaults are
    PyTorch's. Gradients of `finite_difference` and `given`, which are not computed by
    the chain rule, are not scaled, only skipped.

    Args:
        optimizer: the whole of it: what it is chained with goes inside. Of what it is
            given the gradient is divided by the scale already, so that clipping means
            what it says.
        initial: the first scale.
        growth_factor: what the scale is multiplied by after `growth_interval` steps
            since its last change; never to infinity.
        backoff_factor: what it is multiplied by after a step that was skipped.
        growth_interval: a number of steps.

    Returns:
        An optimizer whose state is a `LossScale`.

    Raises:
        TypeError: if `optimizer` is not an optimizer, or a setting not a number.
        ValueError: if `initial` is not positive, `growth_factor` less than 1,
            `backoff_factor` not in (0, 1], or `growth_interval` less than 1.

    Example:
        >>> model = fl.models.mixed_precision(fl.models.linear, jnp.float16)
        >>> def loss(predictions, targets):
        ...     return 1e-7 * fl.losses.mse(predictions, targets)
        >>> objective = fl.make_objective(model, loss)
        >>> optimizer = fl.training.loss_scaling(optax.adam(0.1), initial=2.0**40)
        >>> step = fl.make_train_step(objective, optimizer)
        >>> train, scaler = fl.data.standardise(fl.data.thermometer())
        >>> key = jax.random.key(0)
        >>> state = fl.init_state(key, model.init(key), optimizer)
        >>> run = fl.fit(step, state, train, epochs=200)
        >>> print(f"{run.state.opt_state.scale:.1e}", run.state.opt_state.skipped)
        1.7e+10 6
    """
    check_optimizer("optimizer", optimizer)
    initial = positive_number("initial", initial)
    course = _course(growth_factor, backoff_factor, growth_interval)

    def init(params: Params) -> LossScale:
        none = jnp.zeros((), jnp.int32)
        return LossScale(jnp.float32(initial), none, none, optimizer.init(params))

    def scaled_update(
        updates: Params, state: Any, params: Params = None, **keywords: Any
    ) -> tuple[Params, LossScale]:
        grads, finite = updates, all_finite(updates)
        # Derivatives of an update that is not made are to be finite as well.
        safe = chosen(finite, grads, jax.tree.map(jnp.zeros_like, grads))
        updates, inner = update(optimizer, safe, state.inner, params, keywords)
        updates = chosen(finite, updates, jax.tree.map(jnp.zeros_like, updates))
        inner = chosen(finite, inner, state.inner)
        return updates, LossScale(*course(state, finite), inner)

    return optax.GradientTransformationExtraArgs(init, scaled_update)


def _course(
    growth_factor: float, backoff_factor: float, growth_interval: int
) -> Callable[[LossScale, Bool[Array, ""]], tuple[Array, Array, Array]]:
    """What becomes of the scale and of both counters in a step, if it is finite."""
    growth = positive_number("growth_factor", growth_factor)
    backoff = positive_number("backoff_factor", backoff_factor)
    if growth < 1:
        raise ValueError(f"growth_factor must be at least 1; got {growth_factor}.")
    if backoff > 1:
        raise ValueError(f"backoff_factor must be at most 1; got {backoff_factor}.")
    interval = integer_at_least("growth_interval", growth_interval, 1)

    def course(state: LossScale, finite: Bool[Array, ""]) -> tuple[Array, Array, Array]:
        steps, larger = state.steps + 1, state.scale * growth
        grown = finite & (steps == interval)
        larger = jnp.where(grown & jnp.isfinite(larger), larger, state.scale)
        scale = jnp.where(finite, larger, state.scale * backoff)
        return scale, jnp.where(finite & ~grown, steps, 0), state.skipped + ~finite

    return course


def loss_scale(opt_state: PyTree) -> Float[Array, ""] | None:
    """The scale in an optimizer's state, or None.

    Raises:
        ValueError: if it is somewhere inside, where it cannot skip all of a step.
    """
    if isinstance(opt_state, LossScale):
        return opt_state.scale

    def is_scale(node: PyTree) -> bool:
        return isinstance(node, LossScale)

    if any(map(is_scale, jax.tree.leaves(opt_state, is_leaf=is_scale))):
        raise ValueError(
            "optimizer must have loss_scaling around all of it, such as "
            "loss_scaling(optax.chain(...)); got it inside of another."
        )
    return None


def steeper(
    objective: Callable[..., Any], scale: Float[Array, ""]
) -> Callable[..., Any]:
    """An objective with the same losses, whose derivatives are multiplied by a scale.

    The loss itself is not, or a finite one could overflow.

    Args:
        objective: it returns a loss, or a pair of it and notes.
        scale: the factor.
    """

    def of_steeper(*arguments: PyTree) -> Any:
        result = objective(*arguments)
        if isinstance(result, tuple):
            return (_with_slope(result[0], scale), *result[1:])
        return _with_slope(result, scale)

    return of_steeper


@jax.custom_jvp
def _with_slope(loss: Scalar, scale: Float[Array, ""]) -> Scalar:
    del scale
    return loss


@_with_slope.defjvp
def _with_slope_jvp(primals: PyTree, tangents: PyTree) -> tuple[Scalar, Scalar]:
    (loss, scale), (slope, _) = primals, tangents
    return loss, slope * scale.astype(slope.dtype)


def unscaled(grads: Params, scale: Float[Array, ""]) -> Params:
    """The gradient of an objective from that of the steeper one."""
    return jax.tree.map(lambda grad: (grad / scale).astype(grad.dtype), grads)


def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """Whether every number is finite."""
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]
    return jnp.all(jnp.stack(finite))


def chosen(flag: Bool[Array, ""], new: PyTree, old: PyTree) -> PyTree:
    """The new tree where the flag is set, else the old one."""
    return jax.tree.map(lambda one, other: jnp.where(flag, one, other), new, old)
