"""Adafactor: squares remembered by rows and columns."""

import functools

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from funclearn._types import ScalarLike
from funclearn.optimizers._numbers import (
    Number,
    Values,
    checked,
    decayed,
    larger,
    lerp,
    pair,
    root,
    smaller,
)
from funclearn.optimizers._rule import Memory, make_optimizer

__all__ = ["adafactor"]


def adafactor(
    lr: Number = 1e-2,
    beta2_decay: Number = -0.8,
    eps: tuple[Number | None, Number] = (None, 1e-3),
    d: Number = 1.0,
    weight_decay: Number = 0.0,
    *,
    maximize: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Adafactor, as `torch.optim.Adafactor`.

    With rms the root of the mean of squares, and e1, e2 for `eps`:

        w = t**beta2_decay
        r <- (1 - w) * r + w * (mean of g**2 along the columns), of matrices
        c <- (1 - w) * c + w * (mean of g**2 along the rows)
        v = r * c / max(mean of r, e1)
        v <- (1 - w) * v + w * g**2, of vectors and scalars
        u = g / sqrt(max(v, e1**2))
        p <- (1 - lr * weight_decay) * p
             - max(e2, rms(p)) * min(lr, 1 / sqrt(t)) * u / max(1, rms(u) / d)

    where rms(p) is that of `p` before the decay. Of more than two axes the last two
    are rows and columns. `optax.adafactor` factors matrices of 128 rows and columns
    or more alone, adds its `eps` to the squares, and has no `min` with 1 / sqrt(t).

    Args:
        lr: the largest relative step; a number, a traced scalar or a schedule of the
            number of steps made, as are the other numbers.
        beta2_decay: the power by which the weight of a new square falls.
        eps: the floor of the denominator, by default the resolution of the dtype that
            is computed in (float32 for leaves of half precision, where PyTorch takes
            that of the leaf); and the floor of the size of the parameters.
        d: the size beyond which updates are clipped.
        weight_decay: by how much, times `lr`, parameters shrink in a step.
        maximize: whether to go up instead of down.

    Raises:
        ValueError: if `lr`, `weight_decay` or an `eps` is negative, `beta2_decay` is
            positive, or `d` is less than 1.

    References:
        Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory
        Cost, 2018; the page "Adafactor" of PyTorch's documentation.
    """
    floor, least = pair("eps", eps)
    numbers = {
        "lr": checked("lr", lr, at_least=0),
        "beta2_decay": checked("beta2_decay", beta2_decay, at_most=0),
        "least": checked("eps[1]", least, at_least=0),
        "d": checked("d", d, at_least=1),
        "weight_decay": checked("weight_decay", weight_decay, at_least=0),
    }
    rule = functools.partial(_adafactor, floor=None)
    if floor is not None:
        rule, numbers["floor"] = _adafactor, checked("eps[0]", floor, at_least=0)
    memory = {"row_var": _rows, "col_var": _columns, "variance": _entries}
    return make_optimizer(rule, memory, numbers, maximize=maximize, needs_params=True)


def _rows(leaf: Values) -> Values:
    """What matrices remember of their rows; nothing of others."""
    shape = (*leaf.shape[:-1], 1) if leaf.ndim > 1 else (0,)
    return jnp.zeros(shape, leaf.dtype)


def _columns(leaf: Values) -> Values:
    shape = (*leaf.shape[:-2], 1, leaf.shape[-1]) if leaf.ndim > 1 else (0,)
    return jnp.zeros(shape, leaf.dtype)


def _entries(leaf: Values) -> Values:
    return jnp.zeros((0,) if leaf.ndim > 1 else leaf.shape, leaf.dtype)


def _adafactor(
    grad: Values,
    param: Values,
    memory: Memory,
    t: Float[Array, ""],
    *,
    lr: ScalarLike,
    beta2_decay: ScalarLike,
    floor: ScalarLike | None,
    least: ScalarLike,
    d: ScalarLike,
    weight_decay: ScalarLike,
) -> tuple[Values, Memory]:
    floor = float(jnp.finfo(grad.dtype).eps) if floor is None else floor
    variance, kept = _variance(grad, memory, t**beta2_decay, floor)
    update = jax.lax.rsqrt(larger(floor * floor, variance)) * grad
    size = larger(least, _rms(param)) * smaller(lr, 1 / jnp.sqrt(t))
    change = -size / larger(1, _rms(update) / d) * update
    return decayed(change, param, -lr * weight_decay), kept


def _variance(
    grad: Values, memory: Memory, weight: ScalarLike, floor: ScalarLike
) -> tuple[Values, Memory]:
    """The estimated squares of a leaf's gradient, and what to remember."""
    if grad.ndim < 2:
        variance = lerp(memory["variance"], grad**2, weight)
        return variance, memory | {"variance": variance}
    square = grad**2
    rows = lerp(memory["row_var"], jnp.mean(square, axis=-1, keepdims=True), weight)
    columns = lerp(memory["col_var"], jnp.mean(square, axis=-2, keepdims=True), weight)
    mean = jnp.mean(rows, axis=-2, keepdims=True)
    variance = rows * columns / larger(floor, mean)
    return variance, memory | {"row_var": rows, "col_var": columns}


def _rms(values: Values) -> Float[Array, ""]:
    return root(jnp.mean(values**2))
