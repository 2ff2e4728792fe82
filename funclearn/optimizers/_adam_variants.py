"""Adam with another norm, another momentum, another start: Adamax, NAdam, RAdam."""

import functools

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from funclearn._types import ScalarLike
from funclearn.optimizers._numbers import (
    Number,
    Values,
    checked,
    checked_of_adam,
    decayed,
    is_zero,
    larger,
    lerp,
    one_minus_power,
    root,
)
from funclearn.optimizers._rule import Memory, make_optimizer

__all__ = ["adamax", "nadam", "radam"]


def adamax(
    lr: Number = 2e-3,
    betas: tuple[Number, Number] = (0.9, 0.999),
    eps: Number = 1e-8,
    weight_decay: Number = 0,
    *,
    maximize: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Adam with the largest gradient in place of the root, as `torch.optim.Adamax`.

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g,  u <- max(beta2 * u, abs(g) + eps)
        p <- p - lr / (1 - beta1**t) * m / u

    Args:
        lr: learning rate; a number, a traced scalar or a schedule of the number of
            steps made, as are the other numbers.
        betas: decay rates of the running mean and of the running maximum.
        eps: added to the size of the gradient.
        weight_decay: factor of the penalty on squares.
        maximize: whether to go up instead of down.

    Raises:
        ValueError: if `lr`, `eps` or `weight_decay` is negative, or a beta is not at
            least 0 and less than 1.

    References:
        Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, section 7; the
        page "Adamax" of PyTorch's documentation.
    """
    return make_optimizer(
        _adamax,
        {"exp_avg": jnp.zeros_like, "exp_inf": jnp.zeros_like},
        checked_of_adam(lr, betas, eps, weight_decay),
        maximize=maximize,
        needs_params=not is_zero(weight_decay),
    )


def _adamax(
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
) -> tuple[Values, Memory]:
    grad = decayed(grad, param, weight_decay)
    mean = lerp(memory["exp_avg"], grad, 1 - beta1)
    largest = larger(beta2 * memory["exp_inf"], jnp.abs(grad) + eps)
    size = lr / one_minus_power(beta1, t)
    return -size * mean / largest, {"exp_avg": mean, "exp_inf": largest}


def nadam(
    lr: Number = 2e-3,
    betas: tuple[Number, Number] = (0.9, 0.999),
    eps: Number = 1e-8,
    weight_decay: Number = 0,
    momentum_decay: Number = 4e-3,
    decoupled_weight_decay: bool = False,
    *,
    maximize: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Adam with Nesterov's momentum, as `torch.optim.NAdam`.

        g <- g + weight_decay * p
        mu_t = beta1 * (1 - 0.96**(t * momentum_decay) / 2),  c_t = mu_1 * ... * mu_t
        m <- beta1 * m + (1 - beta1) * g,  v <- beta2 * v + (1 - beta2) * g**2
        p <- p - lr * ((1 - mu_t) / (1 - c_t) * g + mu_t+1 / (1 - c_t+1) * m)
                 / (sqrt(v / (1 - beta2**t)) + eps)

    PyTorch holds `c_t` in its default dtype, float32 if nothing else was set, even for
    parameters of float64; here it has the dtype of the parameters.

    Args:
        lr: learning rate; a number, a traced scalar or a schedule of the number of
            steps made, as are the other numbers.
        betas: decay rates of the running means of the gradient and of its square.
        eps: added to the root.
        weight_decay: factor of the penalty on squares.
        momentum_decay: how fast `mu_t` rises from half of `beta1` to all of it.
        decoupled_weight_decay: whether to decay as `adamw` does, without a penalty.
        maximize: whether to go up instead of down.

    Raises:
        ValueError: if `lr`, `eps`, `weight_decay` or `momentum_decay` is negative, or a
            beta is not at least 0 and less than 1.

    References:
        Dozat, Incorporating Nesterov Momentum into Adam, 2016; the page "NAdam" of
        PyTorch's documentation.
    """
    numbers = checked_of_adam(lr, betas, eps, weight_decay)
    numbers["momentum_decay"] = checked("momentum_decay", momentum_decay, at_least=0)
    memory = {
        "exp_avg": jnp.zeros_like,
        "exp_avg_sq": jnp.zeros_like,
        "mu_product": lambda leaf: jnp.ones((), leaf.dtype),
    }
    return make_optimizer(
        functools.partial(_nadam, decoupled=decoupled_weight_decay),
        memory,
        numbers,
        maximize=maximize,
        needs_params=not is_zero(weight_decay),
    )


def _nadam(
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
    momentum_decay: ScalarLike,
    decoupled: bool,
) -> tuple[Values, Memory]:
    if not decoupled:
        grad = decayed(grad, param, weight_decay)
    mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    product = memory["mu_product"] * mu
    mean = lerp(memory["exp_avg"], grad, 1 - beta1)
    square = beta2 * memory["exp_avg_sq"] + (1 - beta2) * grad**2
    scale = root(square / one_minus_power(beta2, t)) + eps
    change = -lr * (1 - mu) / (1 - product) * grad / scale
    change = change - lr * mu_next / (1 - product * mu_next) * mean / scale
    if decoupled:
        change = decayed(change, param, -lr * weight_decay)
    return change, {"exp_avg": mean, "exp_avg_sq": square, "mu_product": product}


def radam(
    lr: Number = 1e-3,
    betas: tuple[Number, Number] = (0.9, 0.999),
    eps: Number = 1e-8,
    weight_decay: Number = 0,
    decoupled_weight_decay: bool = False,
    *,
    maximize: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Adam with a rectified start, as `torch.optim.RAdam`.

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g,  v <- beta2 * v + (1 - beta2) * g**2
        s = 2 / (1 - beta2) - 1,  r = s - 2 * t * beta2**t / (1 - beta2**t)
        l = sqrt((r - 4) * (r - 2) * s / ((s - 4) * (s - 2) * r))
            * sqrt(1 - beta2**t) / (sqrt(v) + eps)     if r > 5, else l = 1
        p <- p - lr * m / (1 - beta1**t) * l

    Args:
        lr: learning rate; a number, a traced scalar or a schedule of the number of
            steps made, as are the other numbers.
        betas: decay rates of the running means of the gradient and of its square.
        eps: added to the root.
        weight_decay: factor of the penalty on squares.
        decoupled_weight_decay: whether to decay as `adamw` does, without a penalty.
        maximize: whether to go up instead of down.

    Raises:
        ValueError: if `lr`, `eps` or `weight_decay` is negative, or a beta is not at
            least 0 and less than 1.

    References:
        Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, 2020; the
        page "RAdam" of PyTorch's documentation.
    """
    return make_optimizer(
        functools.partial(_radam, decoupled=decoupled_weight_decay),
        {"exp_avg": jnp.zeros_like, "exp_avg_sq": jnp.zeros_like},
        checked_of_adam(lr, betas, eps, weight_decay),
        maximize=maximize,
        needs_params=not is_zero(weight_decay),
    )


def _radam(
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
    left = one_minus_power(beta2, t)
    limit = 2 / (1 - beta2) - 1
    length = limit - 2 * t * (1 - left) / left
    rectified = length > 5
    # Where it is not, the root may be of a negative number, or have no derivative.
    r, s = jnp.where(rectified, length, 6), jnp.where(rectified, limit, 9)
    rectification = jnp.sqrt((r - 4) * (r - 2) * s / ((s - 4) * (s - 2) * r))
    adaptive = rectification * jnp.sqrt(left) / (root(square) + eps)
    change = -lr * mean / one_minus_power(beta1, t) * jnp.where(rectified, adaptive, 1)
    if decoupled:
        change = decayed(change, param, -lr * weight_decay)
    return change, {"exp_avg": mean, "exp_avg_sq": square}
