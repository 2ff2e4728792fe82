"""Models that are linear in their parameters, and a neuron on top of one."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from funclearn._checks import check_key, integer_at_least
from funclearn._types import Scalar
from funclearn.models._model import Model, uniform

__all__ = [
    "LinearParams",
    "PolynomialParams",
    "affine",
    "linear",
    "neuron",
    "polynomial",
]


class LinearParams(NamedTuple):
    """Weight, a scalar or one an input column, and scalar bias."""

    weight: Float[Array, "*features"]
    bias: Scalar


class PolynomialParams(NamedTuple):
    """Coefficients `(degree + 1,)`, that of x⁰ first."""

    coefficients: Float[Array, " powers"]


def _init_linear(key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> LinearParams:
    check_key("key", key)
    weight_key, bias_key = jax.random.split(key)
    fan_in = math.prod(shape)
    return LinearParams(
        uniform(weight_key, shape, fan_in), uniform(bias_key, (), fan_in)
    )


def _apply_linear(
    params: LinearParams, inputs: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    return params.weight * inputs + params.bias


def _apply_neuron(
    params: LinearParams, inputs: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    return jnp.tanh(_apply_linear(params, inputs))


linear = Model(_init_linear, _apply_linear)
"""The line w x + b: inputs and predictions `(n,)`, `LinearParams` of two scalars."""

neuron = Model(_init_linear, _apply_neuron)
"""A neuron, tanh(w x + b): inputs and predictions `(n,)`, `LinearParams` of scalars."""


def affine(features: int) -> Model:
    """The plane Σ w_j x_j + b over several input columns.

    Args:
        features: number of input columns.

    Returns:
        A model of inputs `(n, features)` and predictions `(n,)`, whose parameters
        are `LinearParams` of a weight `(features,)` and a scalar bias.

    Raises:
        ValueError: if `features` is less than 1.
    """
    features = integer_at_least("features", features, 1)

    def apply(
        params: LinearParams, inputs: Float[Array, "n features"]
    ) -> Float[Array, " n"]:
        return inputs @ params.weight + params.bias

    return Model(lambda key: _init_linear(key, (features,)), apply)


def polynomial(degree: int) -> Model:
    """The polynomial Σ c_j x^j of one input.

    Args:
        degree: the highest power, at least 0.

    Returns:
        A model of inputs and predictions `(n,)`, with `PolynomialParams`.

    Raises:
        ValueError: if `degree` is negative.

    Example:
        >>> square = fl.models.polynomial(2)
        >>> params = fl.models.PolynomialParams(jnp.array([1.0, 0.0, 2.0]))
        >>> print(square.apply(params, jnp.array([0.0, 1.0, 2.0])))  # 1 + 2 x²
        [1. 3. 9.]
    """
    degree = integer_at_least("degree", degree, 0)

    def init(key: PRNGKeyArray) -> PolynomialParams:
        check_key("key", key)
        return PolynomialParams(uniform(key, (degree + 1,), degree + 1))

    def apply(
        params: PolynomialParams, inputs: Float[Array, "*n"]
    ) -> Float[Array, "*n"]:
        # Horner's rule has a gradient at zero, where powers of the input have none.
        value = jnp.full_like(inputs, params.coefficients[degree])
        for power in range(degree - 1, -1, -1):
            value = value * inputs + params.coefficients[power]
        return value

    return Model(init, apply)
