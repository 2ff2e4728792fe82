"""Steps divided by the root of past squares: Adagrad, Adadelta, RMSprop."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from funclearn._types import ScalarLike
from funclearn.optimizers._numbers import (
    Number,
    Values,
    checked,
    decayed,
    is_zero,
    lerp,
    root,
)
from funclearn.optimizers._rule import Memory, make_optimizer

__all__ = ["adadelta", "adagrad", "rmsprop"]


def adadelta(
    lr: Number = 1.0,
    rho: Number = 0.9,
    eps: Number = 1e-6,
    weight_decay: Number = 0,
    *,
    maximize: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Steps of the size of past steps, as `torch.optim.Adadelta`.

        g <- g + weight_decay * p
        v <- rho * v + (1 - rho) * g**2
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u <- rho * u + (1 - rho) * d**2,  p <- p - lr * d

    Args:
        lr: factor of the step; a number, a traced scalar or a schedule of the number of
            steps made, as are the other numbers.
        rho: decay rate of the running means `v` and `u`.
        eps: added inside of both roots; it sizes the first step.
        weight_decay: factor of the penalty on squares.
        maximize: whether to go up instead of down.

    Raises:
        ValueError: if `lr`, `eps` or `weight_decay` is negative, or `rho` is not
            between 0 and 1.

    References:
        Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012; the page "Adadelta" of
        PyTorch's documentation.
    """
    numbers = {
        "lr": checked("lr", lr, at_least=0),
        "rho": checked("rho", rho, at_least=0, at_most=1),
        "eps": checked("eps", eps, at_least=0),
        "weight_decay": checked("weight_decay", weight_decay, at_least=0),
    }
    return make_optimizer(
        _adadelta,
        {"square_avg": jnp.zeros_like, "acc_delta": jnp.zeros_like},
        numbers,
        maximize=maximize,
        needs_params=not is_zero(weight_decay),
    )


def _adadelta(
    grad: Values,
    param: Values,
    memory: Memory,
    t: Float[Array, ""],
    *,
    lr: ScalarLike,
    rho: ScalarLike,
    eps: ScalarLike,
    weight_decay: ScalarLike,
) -> tuple[Values, Memory]:
    del t
    grad = decayed(grad, param, weight_decay)
    square = rho * memory["square_avg"] + (1 - rho) * grad**2
    delta = root(memory["acc_delta"] + eps) / root(square + eps) * grad
    past = rho * memory["acc_delta"] + (1 - rho) * delta**2
    return -lr * delta, {"square_avg": square, "acc_delta": past}


def adagrad(
    lr: Number = 1e-2,
    lr_decay: Number = 0,
    weight_decay: Number = 0,
    initial_accumulator_value: Number = 0,
    eps: Number = 1e-10,
    *,
    maximize: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Steps divided by the root of the sum of all squares, as `torch.optim.Adagrad`.

        g <- g + weight_decay * p
        s <- s + g**2
        p <- p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Args:
        lr: learning rate; a number, a traced scalar or a schedule of the number of
            steps made, as are the other numbers.
        lr_decay: how fast the learning rate decays.
        weight_decay: factor of the penalty on squares.
        initial_accumulator_value: what `s` begins with; a schedule's first value.
        eps: added to the root.
        maximize: whether to go up instead of down.

    Raises:
        ValueError: if one of the numbers is negative.

    References:
        Duchi et al., Adaptive Subgradient Methods for Online Learning and Stochastic
        Optimization, 2011; the page "Adagrad" of PyTorch's documentation.
    """
    initial = initial_accumulator_value
    numbers = {
        "lr": checked("lr", lr, at_least=0),
        "lr_decay": checked("lr_decay", lr_decay, at_least=0),
        "weight_decay": checked("weight_decay", weight_decay, at_least=0),
        "initial": checked("initial_accumulator_value", initial, at_least=0),
        "eps": checked("eps", eps, at_least=0),
    }
    return make_optimizer(
        _adagrad,
        {"sum": jnp.zeros_like},
        numbers,
        maximize=maximize,
        needs_params=not is_zero(weight_decay),
    )


def _adagrad(
    grad: Values,
    param: Values,
    memory: Memory,
    t: Float[Array, ""],
    *,
    lr: ScalarLike,
    lr_decay: ScalarLike,
    weight_decay: ScalarLike,
    initial: ScalarLike,
    eps: ScalarLike,
) -> tuple[Values, Memory]:
    grad = decayed(grad, param, weight_decay)
    total = memory["sum"] + grad**2
    if not is_zero(initial):
        total = total + jnp.where(t == 1, initial, 0)
    size = lr / (1 + (t - 1) * lr_decay)
    return -size * grad / (root(total) + eps), {"sum": total}


def rmsprop(
    lr: Number = 1e-2,
    alpha: Number = 0.99,
    eps: Number = 1e-8,
    weight_decay: Number = 0,
    momentum: Number = 0,
    centered: bool = False,
    *,
    maximize: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Steps divided by the root of a running mean of squares, `torch.optim.RMSprop`.

        g <- g + weight_decay * p
        v <- alpha * v + (1 - alpha) * g**2
        a <- alpha * a + (1 - alpha) * g                        if centered, else a = 0
        b <- momentum * b + g / (sqrt(v - a**2) + eps)
        p <- p - lr * b

    The learning rate counts after the momentum, where `optax.rmsprop` has it before.
    Where rounding makes `v - a**2` negative, PyTorch's parameters become NaN; here the
    root is 0.

    Args:
        lr: learning rate; a number, a traced scalar or a schedule of the number of
            steps made, as are the other numbers.
        alpha: decay rate of the running means.
        eps: added to the root.
        weight_decay: factor of the penalty on squares.
        momentum: the part of the last change that is kept; 0 for none.
        centered: whether to divide by an estimate of the gradient's deviation.
        maximize: whether to go up instead of down.

    Raises:
        ValueError: if one of the numbers is negative.

    References:
        Hinton, Neural Networks for Machine Learning, lecture 6; Graves, Generating
        Sequences With Recurrent Neural Networks, 2013 (centered); the page "RMSprop" of
        PyTorch's documentation.
    """
    numbers = {
        "lr": checked("lr", lr, at_least=0),
        "alpha": checked("alpha", alpha, at_least=0),
        "eps": checked("eps", eps, at_least=0),
        "weight_decay": checked("weight_decay", weight_decay, at_least=0),
        "momentum": checked("momentum", momentum, at_least=0),
    }
    memory = {"square_avg": jnp.zeros_like}
    if centered:
        memory["grad_avg"] = jnp.zeros_like
    if not is_zero(momentum):
        memory["momentum_buffer"] = jnp.zeros_like
    return make_optimizer(
        _rmsprop,
        memory,
        numbers,
        maximize=maximize,
        needs_params=not is_zero(weight_decay),
    )


def _rmsprop(
    grad: Values,
    param: Values,
    memory: Memory,
    t: Float[Array, ""],
    *,
    lr: ScalarLike,
    alpha: ScalarLike,
    eps: ScalarLike,
    weight_decay: ScalarLike,
    momentum: ScalarLike,
) -> tuple[Values, Memory]:
    del t
    grad = decayed(grad, param, weight_decay)
    square = alpha * memory["square_avg"] + (1 - alpha) * grad**2
    kept, variance = {"square_avg": square}, square
    if "grad_avg" in memory:
        kept["grad_avg"] = lerp(memory["grad_avg"], grad, 1 - alpha)
        variance = square - kept["grad_avg"] ** 2
    step = grad / (root(variance) + eps)
    if "momentum_buffer" in memory:
        step = momentum * memory["momentum_buffer"] + step
        kept["momentum_buffer"] = step
    return -lr * step, kept
