"""Two families of models whose size is an argument of the compiled run.

Every member has the arrays of the largest one, and leaves unused what it does not have.
So all sizes have one shape, and a sweep over them is one compiled function.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

import funclearn as fl

Family: TypeAlias = Callable[[int, jax.Array], fl.Model]
"""`(largest size, size) -> model`."""


class Hidden(NamedTuple):
    """Parameters of a network with one input, hidden tanh units, and one output."""

    weight: Any
    bias: Any
    output_weight: Any
    output_bias: Any


def polynomial(largest: int, degree: jax.Array) -> fl.Model:
    """A polynomial of traced degree, in Legendre polynomials of mean square 1.

    They span what the powers span, and descent finds its way among them.
    """
    orders = jnp.arange(largest + 1)[:, None]
    scales = jnp.where(orders <= degree, jnp.sqrt(2 * orders + 1), 0)

    def apply(coefficients: jax.Array, inputs: jax.Array) -> jax.Array:
        columns = [jnp.ones_like(inputs), inputs]
        for k in range(1, largest):
            multiple = (2 * k + 1) * inputs * columns[k] - k * columns[k - 1]
            columns.append(multiple / (k + 1))
        basis = jnp.concatenate(columns[: largest + 1], axis=1)
        return basis @ (scales * coefficients)

    return fl.Model(lambda key: jnp.zeros((largest + 1, 1)), apply)


def design(inputs: np.ndarray, degree: int) -> np.ndarray:
    """What the coefficients of `polynomial` multiply, `(rows, degree + 1)`.

    Args:
        inputs: `(rows,)`.
        degree: of the polynomial.
    """
    scales = np.sqrt(2 * np.arange(degree + 1) + 1)
    return np.polynomial.legendre.legvander(np.asarray(inputs, float), degree) * scales


def network(largest: int, width: jax.Array) -> fl.Model:
    """A network with one hidden layer of traced width; the other units stay silent."""

    def init(key: jax.Array) -> Hidden:
        weight_key, bias_key = jax.random.split(key)
        return Hidden(
            weight=jax.random.uniform(weight_key, (1, largest), minval=-3, maxval=3),
            bias=jax.random.uniform(bias_key, (1, largest), minval=-2, maxval=2),
            output_weight=jnp.zeros((largest, 1)),
            output_bias=jnp.zeros((1, 1)),
        )

    def apply(params: Hidden, inputs: jax.Array) -> jax.Array:
        hidden = jnp.tanh(inputs @ params.weight + params.bias)
        hidden = jnp.where(jnp.arange(largest)[None, :] < width, hidden, 0)
        return hidden @ params.output_weight + params.output_bias

    return fl.Model(init, apply)
