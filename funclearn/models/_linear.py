"""Models that are linear in their parameters, and a neuron on top of one."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from funclearn._arrays import Arrays, as_floats
from funclearn._checks import check_key, integer_at_least
from funclearn._types import Params, Scalar
from funclearn.models._model import Model, check_shape, uniform

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
    params: LinearParams, inputs: PyTree
) -> Float[Array | np.ndarray, "*n"]:
    inputs = _one_column(params, inputs)
    check_shape("params.weight", params.weight)
    check_shape("params.bias", params.bias)
    return params.weight * inputs + params.bias


def _apply_neuron(params: LinearParams, inputs: PyTree) -> Float[Array, "*n"]:
    return jnp.tanh(_apply_linear(params, inputs))


def _one_column(params: Params, inputs: PyTree) -> Arrays:
    inputs = as_floats("inputs", inputs, params)
    shape = jnp.shape(inputs)
    # Elementwise, one line for several columns would be as good as any other number.
    if math.prod(shape[1:]) != 1:
        raise ValueError(
            f"inputs must be one column, (n,) or (n, 1); got {shape}. For several "
            "columns there is funclearn.models.affine."
        )
    return inputs


linear = Model(_init_linear, _apply_linear)
"""The line w x + b: inputs and predictions `(n,)` or `(n, 1)`, `LinearParams` of two
scalars."""

neuron = Model(_init_linear, _apply_neuron)
"""A neuron, tanh(w x + b): inputs and predictions `(n,)` or `(n, 1)`, `LinearParams` of
two scalars."""


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

    def apply(params: LinearParams, inputs: PyTree) -> Float[Array | np.ndarray, " n"]:
        inputs = as_floats("inputs", inputs, params)
        check_shape("inputs", inputs, "n", features)
        check_shape("params.weight", params.weight, features)
        check_shape("params.bias", params.bias)
        return inputs @ params.weight + params.bias

    return Model(lambda key: _init_linear(key, (features,)), apply)


def polynomial(degree: int) -> Model:
    """The polynomial Σ c_j x^j of one input.

    Args:
        degree: the highest power, at least 0.

    Returns:
        A model of inputs and predictions `(n,)` or `(n, 1)`, with `PolynomialParams`.

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

    def apply(params: PolynomialParams, inputs: PyTree) -> Float[Array, "*n"]:
        inputs = _one_column(params, inputs)
        # JAX would take the last coefficient for one that is missing.
        check_shape("params.coefficients", params.coefficients, degree + 1)
        dtype = jnp.result_type(inputs, params.coefficients)
        # Horner's rule has a gradient at zero, where powers of the input have none.
        value = jnp.full_like(inputs, params.coefficients[degree], dtype=dtype)
        for power in range(degree - 1, -1, -1):
            value = value * inputs + params.coefficients[power]
        return value

    return Model(init, apply)
