"""Steps along the gradient: SGD and its average."""

import functools

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
)
from funclearn.optimizers._rule import Memory, make_optimizer

__all__ = ["asgd", "sgd"]


def sgd(
    lr: Number = 1e-3,
    momentum: Number = 0,
    dampening: Number = 0,
    weight_decay: Number = 0,
    nesterov: bool = False,
    *,
    maximize: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Gradient descent, with momentum, as `torch.optim.SGD`.

        g <- g + weight_decay * p
        b <- g                                      in the first step
        b <- momentum * b + (1 - dampening) * g     in the others
        p <- p - lr * b                             or lr * (g + momentum * b)

    Args:
        lr: learning rate; a number, a traced scalar or a schedule of the number of
            steps made, as are the other numbers.
        momentum: the part of the last change that is kept; 0 for none.
        dampening: the part of the gradient that momentum leaves out.
        weight_decay: factor of the penalty on squares.
        nesterov: whether to look ahead; the last line's second form.
        maximize: whether to go up instead of down.

    Raises:
        ValueError: if `lr`, `momentum` or `weight_decay` is negative, or `nesterov`
            comes without momentum or with dampening.

    References:
        Sutskever et al., On the importance of initialization and momentum in deep
        learning, 2013; the page "SGD" of PyTorch's documentation.

    Example:
        >>> optimizer = fl.optimizers.sgd(0.1, momentum=0.9)
        >>> params, state = 8.0, optimizer.init(8.0)
        >>> for _ in range(3):
        ...     change, state = optimizer.update(params, state)  # of p**2 / 2
        ...     params = params + change
        ...     print(f"{params:.3f}")
        7.200
        5.760
        3.888
    """
    numbers = {
        "lr": checked("lr", lr, at_least=0),
        "momentum": checked("momentum", momentum, at_least=0),
        "dampening": checked("dampening", dampening),
        "weight_decay": checked("weight_decay", weight_decay, at_least=0),
    }
    if nesterov and (is_zero(momentum) or not is_zero(dampening)):
        raise ValueError(
            "nesterov must go with momentum above 0 and dampening 0; got momentum "
            f"{momentum} and dampening {dampening}."
        )
    return make_optimizer(
        functools.partial(_sgd, nesterov=nesterov),
        {} if is_zero(momentum) else {"momentum_buffer": jnp.zeros_like},
        numbers,
        maximize=maximize,
        needs_params=not is_zero(weight_decay),
    )


def _sgd(
    grad: Values,
    param: Values,
    memory: Memory,
    t: Float[Array, ""],
    *,
    lr: ScalarLike,
    momentum: ScalarLike,
    dampening: ScalarLike,
    weight_decay: ScalarLike,
    nesterov: bool,
) -> tuple[Values, Memory]:
    grad = decayed(grad, param, weight_decay)
    if not memory:
        return -lr * grad, {}
    buffer = momentum * memory["momentum_buffer"] + (1 - dampening) * grad
    # PyTorch begins with the gradient itself, whatever the dampening.
    buffer = buffer if is_zero(dampening) else jnp.where(t == 1, grad, buffer)
    ahead = grad + momentum * buffer if nesterov else buffer
    return -lr * ahead, {"momentum_buffer": buffer}


def asgd(
    lr: Number = 1e-2,
    lambd: Number = 1e-4,
    alpha: Number = 0.75,
    t0: Number = 1e6,
    weight_decay: Number = 0,
    *,
    maximize: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Averaged stochastic gradient descent, as `torch.optim.ASGD`.

        g  <- g + weight_decay * p
        p  <- (1 - lambd * eta) * p - eta * g
        ax <- ax + mu * (p - ax)
        eta <- lr / (1 + lambd * lr * t) ** alpha,  mu <- 1 / max(1, t - t0)

    `eta` begins with `lr`, `mu` with 1. A changed `lr` therefore counts one step later.
    The average `ax` is never used by the steps; it is in the state, in float32 for
    leaves of half precision: `optax.tree_utils.tree_get(opt_state, "ax")`. It is that
    of the parameters if they are moved by what this transformation returns: it has to
    be the last of a chain.

    PyTorch holds `eta` in its default dtype, float32 if nothing else was set, even for
    parameters of float64; here it has the dtype of the parameters.

    Args:
        lr: learning rate; a number, a traced scalar or a schedule of the number of
            steps made, as are the other numbers.
        lambd: how fast the parameters and the learning rate decay.
        alpha: the power with which the learning rate decays.
        t0: the step after which averaging begins.
        weight_decay: factor of the penalty on squares.
        maximize: whether to go up instead of down.

    Raises:
        ValueError: if `lr` or `weight_decay` is negative.

    References:
        Polyak and Juditsky, Acceleration of stochastic approximation by averaging,
        1992; the page "ASGD" of PyTorch's documentation, and its source.

    Example:
        >>> optimizer = optax.chain(optax.clip(10.0), fl.optimizers.asgd(1.5, t0=1))
        >>> params, state = jnp.float32(8.0), optimizer.init(jnp.float32(8.0))
        >>> for _ in range(5):
        ...     change, state = optimizer.update(params, state, params)
        ...     params = params + change  # descends p**2 / 2
        ...     ax = optax.tree_utils.tree_get(state, "ax")
        ...     print(f"{params:.2f}, on average {ax:.2f}")
        -4.00, on average -4.00
        2.00, on average 2.00
        -1.00, on average -1.00
        0.50, on average -0.25
        -0.25, on average -0.25
    """
    numbers = {
        "lr": checked("lr", lr, at_least=0),
        "lambd": checked("lambd", lambd),
        "alpha": checked("alpha", alpha),
        "t0": checked("t0", t0),
        "weight_decay": checked("weight_decay", weight_decay, at_least=0),
    }
    memory = {"ax": jnp.zeros_like, "eta": lambda leaf: jnp.zeros((), leaf.dtype)}
    return make_optimizer(_asgd, memory, numbers, maximize=maximize, needs_params=True)


def _asgd(
    grad: Values,
    param: Values,
    memory: Memory,
    t: Float[Array, ""],
    *,
    lr: ScalarLike,
    lambd: ScalarLike,
    alpha: ScalarLike,
    t0: ScalarLike,
    weight_decay: ScalarLike,
) -> tuple[Values, Memory]:
    grad = decayed(grad, param, weight_decay)
    eta = jnp.where(t == 1, lr, memory["eta"])
    change = -(lambd * eta) * param - eta * grad
    after, ax = param + change, memory["ax"]
    # After the step before, t - 1, as PyTorch computes it; the first one has t = 1.
    mu = 1 / jnp.maximum(1, t - 1 - t0)
    ax = jnp.where(mu == 1, after, lerp(ax, after, mu))
    return change, {"ax": ax, "eta": lr / (1 + lambd * lr * t) ** alpha}
