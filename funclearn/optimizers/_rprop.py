"""Rprop: steps of their own size, which go by the signs of the gradient alone."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from funclearn._checks import is_static_number
from funclearn._types import ScalarLike
from funclearn.optimizers._numbers import Number, Values, checked, larger, pair, smaller
from funclearn.optimizers._rule import Memory, make_optimizer

__all__ = ["rprop"]


def rprop(
    lr: Number = 1e-2,
    etas: tuple[Number, Number] = (0.5, 1.2),
    step_sizes: tuple[Number, Number] = (1e-6, 50),
    *,
    maximize: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Resilient backpropagation, as `torch.optim.Rprop`.

    Each entry has a step size `s`, which begins with `lr`:

        s <- s * etas[1]              where g has the sign of the gradient before
        s <- s * etas[0],  g <- 0     where it has the other
        s <- clip(s, step_sizes)
        p <- p - sign(g) * s

    The zero is remembered as the gradient before. `optax.rprop` returns the change of
    the step before instead. A schedule's first value is the one that counts, as in
    PyTorch. The derivatives of the signs are 0: those of a run go by the sizes alone.

    Args:
        lr: the first step size; a number, a traced scalar or a schedule of the number
            of steps made, as are the other numbers.
        etas: factors of the step size, less and more than 1.
        step_sizes: the least and the largest step size.
        maximize: whether to go up instead of down.

    Raises:
        ValueError: if `lr` is negative, or the etas are not `0 < etas[0] < 1 <
            etas[1]`.

    References:
        Riedmiller and Braun, A direct adaptive method for faster backpropagation
        learning: the RPROP algorithm, 1993; the page "Rprop" of PyTorch's
        documentation.
    """
    minus, plus = pair("etas", etas)
    least, largest = pair("step_sizes", step_sizes)
    numbers = {
        "lr": checked("lr", lr, at_least=0),
        "minus": checked("etas[0]", minus, above=0, below=1),
        "plus": checked("etas[1]", plus, above=1),
        "least": checked("step_sizes[0]", least),
        "largest": checked("step_sizes[1]", largest),
    }
    if is_static_number(least) and is_static_number(largest) and least > largest:
        raise ValueError(
            f"step_sizes must be the least and the largest one; got {step_sizes}."
        )
    memory = {"prev": jnp.zeros_like, "step_size": jnp.zeros_like}
    return make_optimizer(_rprop, memory, numbers, maximize=maximize)


def _rprop(
    grad: Values,
    param: Values,
    memory: Memory,
    t: Float[Array, ""],
    *,
    lr: ScalarLike,
    minus: ScalarLike,
    plus: ScalarLike,
    least: ScalarLike,
    largest: ScalarLike,
) -> tuple[Values, Memory]:
    del param
    size = jnp.where(t == 1, lr, memory["step_size"])
    # Of the signs, since the product of two small gradients may be zero.
    same = jnp.sign(grad) * jnp.sign(memory["prev"])
    factor = jnp.where(same > 0, plus, jnp.where(same < 0, minus, 1))
    size = smaller(largest, larger(least, size * factor))
    grad = jnp.where(same < 0, 0, grad)
    return -jnp.sign(grad) * size, {"prev": grad, "step_size": size}
