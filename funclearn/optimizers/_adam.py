"""Adam, with decoupled weight decay, and on rows of its own."""

import functools

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from funclearn._types import ScalarLike
from funclearn.optimizers._numbers import (
    Number,
    Values,
    checked,
    checked_betas,
    checked_of_adam,
    decayed,
    is_zero,
    larger,
    lerp,
    one_minus_power,
    root,
)
from funclearn.optimizers._rule import Memory, make_optimizer

__all__ = ["adam", "adamw", "sparse_adam"]


def adam(
    lr: Number = 1e-3,
    betas: tuple[Number, Number] = (0.9, 0.999),
    eps: Number = 1e-8,
    weight_decay: Number = 0,
    amsgrad: bool = False,
    *,
    maximize: bool = False,
    decoupled_weight_decay: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Adam, as `torch.optim.Adam`.

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g,  v <- beta2 * v + (1 - beta2) * g**2
        p <- p - lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps)

    With `amsgrad` the largest `v` so far takes the place of `v`: the largest before the
    correction by `1 - beta2**t`, where `optax.amsgrad` takes it after.

    Args:
        lr: learning rate; a number, a traced scalar or a schedule of the number of
            steps made, as are the other numbers.
        betas: decay rates of the running means of the gradient and of its square.
        eps: added to the root.
        weight_decay: factor of the penalty on squares.
        amsgrad: whether the denominator never shrinks.
        maximize: whether to go up instead of down.
        decoupled_weight_decay: whether to decay as `adamw` does.

    Raises:
        ValueError: if `lr`, `eps` or `weight_decay` is negative, or a beta is not at
            least 0 and less than 1.

    References:
        Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015; Reddi et al.,
        On the Convergence of Adam and Beyond, 2018; the page "Adam" of PyTorch's
        documentation.

    Example:
        >>> objective = fl.make_objective(fl.models.linear, fl.losses.mse)
        >>> rate = optax.cosine_decay_schedule(0.3, 2000)
        >>> optimizer = fl.optimizers.adam(rate, betas=(0.9, 0.99))
        >>> params = fl.models.linear.init(jax.random.key(0))
        >>> state = fl.init_state(jax.random.key(1), params, optimizer)
        >>> step = fl.make_train_step(objective, optimizer)
        >>> run = fl.fit(step, state, fl.data.thermometer(), epochs=2000)
        >>> print(f"{run.final.loss:.2f}")  # the least possible one
        2.93
    """
    memory = {"exp_avg": jnp.zeros_like, "exp_avg_sq": jnp.zeros_like}
    if amsgrad:
        memory["max_exp_avg_sq"] = jnp.zeros_like
    return make_optimizer(
        functools.partial(_adam, decoupled=decoupled_weight_decay),
        memory,
        checked_of_adam(lr, betas, eps, weight_decay),
        maximize=maximize,
        needs_params=not is_zero(weight_decay),
    )


def adamw(
    lr: Number = 1e-3,
    betas: tuple[Number, Number] = (0.9, 0.999),
    eps: Number = 1e-8,
    weight_decay: Number = 1e-2,
    amsgrad: bool = False,
    *,
    maximize: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Adam with decoupled weight decay, as `torch.optim.AdamW`.

    `p <- (1 - lr * weight_decay) * p` before `adam`'s step, and no penalty.

    Args:
        lr: learning rate; a number, a traced scalar or a schedule of the number of
            steps made, as are the other numbers.
        betas: decay rates of the running means of the gradient and of its square.
        eps: added to the root.
        weight_decay: by how much, times `lr`, parameters shrink in a step.
        amsgrad: whether the denominator never shrinks.
        maximize: whether to go up instead of down.

    Raises:
        ValueError: as `adam`.

    References:
        Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019; the page
        "AdamW" of PyTorch's documentation.
    """
    return adam(
        lr,
        betas,
        eps,
        weight_decay,
        amsgrad,
        maximize=maximize,
        decoupled_weight_decay=True,
    )


def _adam(
    grad: Values,
    param: Values,
    memory: Memory,
    t: Float[Array, ""],
    *,
    lr: ScalarLike,
    beta1: ScalarLike,
    beta2: ScalarLike,
    eps: ScalarLike,
    weight_decay: ScalarLike,
    decoupled: bool,
) -> tuple[Values, Memory]:
    if not decoupled:
        grad = decayed(grad, param, weight_decay)
    mean = lerp(memory["exp_avg"], grad, 1 - beta1)
    square = beta2 * memory["exp_avg_sq"] + (1 - beta2) * grad**2
    kept = {"exp_avg": mean, "exp_avg_sq": square}
    if "max_exp_avg_sq" in memory:
        square = larger(memory["max_exp_avg_sq"], square)
        kept["max_exp_avg_sq"] = square
    size = lr / one_minus_power(beta1, t)
    scale = root(square) / jnp.sqrt(one_minus_power(beta2, t)) + eps
    change = -size * mean / scale
    if decoupled:
        change = decayed(change, param, -lr * weight_decay)
    return change, kept


def sparse_adam(
    lr: Number = 1e-3,
    betas: tuple[Number, Number] = (0.9, 0.999),
    eps: Number = 1e-8,
    maximize: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Adam that moves and remembers touched rows alone, as `torch.optim.SparseAdam`.

    A row, along the first axis, is touched when its gradient has an entry that is not
    zero. (In PyTorch a sparse gradient names its rows, and one that is named counts as
    touched even if its gradient is zero.) In touched rows

        m <- m + (1 - beta1) * (g - m),  v <- v + (1 - beta2) * (g**2 - v)
        p <- p - lr * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(v) + eps)

    with one count `t` of all steps; the other rows, and their `m` and `v`, stay.

    Args:
        lr: learning rate; a number, a traced scalar or a schedule of the number of
            steps made, as are the other numbers.
        betas: decay rates of the running means of the gradient and of its square.
        eps: added to the root, before its correction; `adam` adds it after.
        maximize: whether to go up instead of down.

    Raises:
        ValueError: if `lr` or `eps` is not positive, or a beta is not at least 0 and
            less than 1.

    References:
        The page "SparseAdam" of PyTorch's documentation.
    """
    first, second = checked_betas(betas)
    numbers = {
        "lr": checked("lr", lr, above=0),
        "beta1": first,
        "beta2": second,
        "eps": checked("eps", eps, above=0),
    }
    memory = {"exp_avg": jnp.zeros_like, "exp_avg_sq": jnp.zeros_like}
    return make_optimizer(_sparse_adam, memory, numbers, maximize=maximize)


def _sparse_adam(
    grad: Values,
    param: Values,
    memory: Memory,
    t: Float[Array, ""],
    *,
    lr: ScalarLike,
    beta1: ScalarLike,
    beta2: ScalarLike,
    eps: ScalarLike,
) -> tuple[Values, Memory]:
    touched = jnp.any(grad != 0, axis=tuple(range(1, grad.ndim)), keepdims=True)
    mean = lerp(memory["exp_avg"], grad, 1 - beta1)
    square = lerp(memory["exp_avg_sq"], grad**2, 1 - beta2)
    size = lr * jnp.sqrt(one_minus_power(beta2, t)) / one_minus_power(beta1, t)
    return jnp.where(touched, -size * (mean / (root(square) + eps)), 0), {
        "exp_avg": jnp.where(touched, mean, memory["exp_avg"]),
        "exp_avg_sq": jnp.where(touched, square, memory["exp_avg_sq"]),
    }
