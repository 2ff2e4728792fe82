"""Muon: steps along orthogonalised momentum, for matrices."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from funclearn._checks import integer_at_least, path_name
from funclearn._types import Params, ScalarLike
from funclearn._words import described
from funclearn.optimizers._numbers import (
    Number,
    Values,
    checked,
    decayed,
    larger,
    lerp,
    root,
)
from funclearn.optimizers._rule import Memory, make_optimizer

__all__ = ["muon"]

# bfloat16's: 8 bits of exponent, 7 of the mantissa.
_BFLOAT16 = {"exponent_bits": 8, "mantissa_bits": 7}


def muon(
    lr: Number = 1e-3,
    weight_decay: Number = 0.1,
    momentum: Number = 0.95,
    nesterov: bool = True,
    ns_coefficients: tuple[Number, Number, Number] = (3.4445, -4.775, 2.0315),
    eps: Number = 1e-7,
    ns_steps: int = 5,
    adjust_lr_fn: str | None = None,
) -> optax.GradientTransformationExtraArgs:
    """Momentum whose singular values are brought near 1, as `torch.optim.Muon`.

        b <- momentum * b + (1 - momentum) * g
        u = (1 - momentum) * g + momentum * b       with nesterov, else u = b
        x = u / max(norm(u), eps)
        x <- a * x + (b * x @ x.T + c * (x @ x.T) @ (x @ x.T)) @ x     ns_steps times
        p <- (1 - lr * weight_decay) * p - lr * ratio * x

    with `a, b, c` the coefficients. The iteration (Newton-Schulz) rounds to bfloat16
    wherever PyTorch does; derivatives leave the rounding out. Matrices only: put the
    other leaves to another optimizer with `optax.partition`, or leave them out with
    `optax.masked`.

    Args:
        lr: learning rate; a number, a traced scalar or a schedule of the number of
            steps made, as are the other numbers.
        weight_decay: by how much, times `lr`, parameters shrink in a step.
        momentum: the part of the last mean that is kept.
        nesterov: whether to look ahead.
        ns_coefficients: of the polynomial of degree 5 in the singular values.
        eps: the least norm to divide by.
        ns_steps: how often the polynomial is applied; less than 100.
        adjust_lr_fn: `None` or `"original"` for the ratio sqrt(max(1, rows /
            columns)), `"match_rms_adamw"` for 0.2 * sqrt(max(rows, columns)).

    Returns:
        A transformation; its `init` raises ValueError for a leaf that is no matrix.

    Raises:
        ValueError: if `lr`, `weight_decay` or `momentum` is negative, `ns_steps` is not
            less than 100, or `adjust_lr_fn` is unknown.

    References:
        Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024;
        the page "Muon" of PyTorch's documentation.
    """
    a, b, c = _three("ns_coefficients", ns_coefficients)
    if integer_at_least("ns_steps", ns_steps, 0) >= 100:
        raise ValueError(f"ns_steps must be less than 100; got {ns_steps}.")
    if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
        raise ValueError(
            "adjust_lr_fn must be None, 'original' or 'match_rms_adamw'; got "
            f"{described(adjust_lr_fn)}."
        )
    numbers = {
        "lr": checked("lr", lr, at_least=0),
        "weight_decay": checked("weight_decay", weight_decay, at_least=0),
        "momentum": checked("momentum", momentum, at_least=0),
        "a": checked("ns_coefficients[0]", a),
        "b": checked("ns_coefficients[1]", b),
        "c": checked("ns_coefficients[2]", c),
        "eps": checked("eps", eps),
    }
    flags = {"nesterov": nesterov, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn}
    memory = {"momentum_buffer": jnp.zeros_like}
    rule = functools.partial(_muon, **flags)
    made = make_optimizer(rule, memory, numbers, needs_params=True)

    def init(params: Params) -> PyTree:
        _check_matrices(params)
        return made.init(params)

    return optax.GradientTransformationExtraArgs(init, made.update)


def _check_matrices(params: Params) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if jnp.ndim(leaf) != 2:
            raise ValueError(
                f"{path_name('params', path)} must be a matrix, which is all that muon "
                f"moves; got shape {jnp.shape(leaf)}."
            )


def _three(name: str, values: Any) -> tuple[Any, Any, Any]:
    try:
        first, second, third = values
    except Exception:  # a tracer raises a JAX error of its own here
        raise TypeError(
            f"{name} must be three numbers; got {described(values)}."
        ) from None
    return first, second, third


def _muon(
    grad: Values,
    param: Values,
    memory: Memory,
    t: Float[Array, ""],
    *,
    lr: ScalarLike,
    weight_decay: ScalarLike,
    momentum: ScalarLike,
    a: ScalarLike,
    b: ScalarLike,
    c: ScalarLike,
    eps: ScalarLike,
    nesterov: bool,
    ns_steps: int,
    adjust_lr_fn: str | None,
) -> tuple[Values, Memory]:
    del t
    rows, columns = grad.shape
    buffer = lerp(memory["momentum_buffer"], grad, 1 - momentum)
    update = lerp(grad, buffer, momentum) if nesterov else buffer
    # The smaller side is multiplied with itself.
    update = update.T if rows > columns else update
    update = _orthogonalised(update, (a, b, c, eps), ns_steps)
    update = (update.T if rows > columns else update).astype(grad.dtype)
    ratio = max(1, rows / columns) ** 0.5
    if adjust_lr_fn == "match_rms_adamw":
        ratio = 0.2 * max(rows, columns) ** 0.5
    change = decayed(-lr * ratio * update, param, -lr * weight_decay)
    return change, {"momentum_buffer": buffer}


def _orthogonalised(
    matrix: Float[Array, "rows columns"],
    numbers: tuple[ScalarLike, ScalarLike, ScalarLike, ScalarLike],
    steps: int,
) -> Float[Array, "rows columns"]:
    """Newton-Schulz iteration with the roundings of bfloat16, in float32."""
    a, b, c, eps = (jnp.asarray(one, jnp.float32) for one in numbers)
    x = _rounded(matrix.astype(jnp.float32))
    norm = _rounded(root(jnp.sum(x**2)))
    x = _rounded(x / larger(eps, norm))
    for _ in range(steps):
        gram = _rounded(x @ x.T)
        polynomial = _rounded(b * gram + c * (gram @ gram))
        x = _rounded(a * x + polynomial @ x)
    return x


def _rounded(values: Values) -> Values:
    """As bfloat16 holds them; for derivatives they count as they were."""
    # Conversions there and back are dropped by XLA; this is not.
    error = jax.lax.reduce_precision(values, **_BFLOAT16) - values
    # The sum is exact: the error is a multiple of the last place of the values.
    return values + jax.lax.stop_gradient(error)
