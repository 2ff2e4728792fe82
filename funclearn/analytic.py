"""Gradients derived by hand, to be used through `funclearn.gradients.given`.

Each is `(params, batch) -> grads`; its docstring is the derivation.
"""

import jax.numpy as jnp

from funclearn._types import Batch, Params

__all__ = ["linear_mse", "polynomial_mse"]


def linear_mse(params: Params, batch: Batch) -> Params:
    """The gradient of the mean squared error of `models.linear` or `models.affine`.

        p_i   = Σ_j w_j x_ij + b            the prediction
        L     = 1/n Σ_i (p_i - y_i)²        the loss
        dL/dp_i = 2 (p_i - y_i) / n
        dp_i/dw_j = x_ij,  dp_i/db = 1
        dL/dw_j = Σ_i dL/dp_i · x_ij
        dL/db   = Σ_i dL/dp_i

    Args:
        params: weight, a scalar or `(features,)`, and scalar bias.
        batch: inputs `(n,)` or `(n, features)`, targets `(n,)`.

    Returns:
        The derivatives, in the type of the parameters.

    References:
        Stevens, Antiga, Viehmann, Deep Learning with PyTorch, 2020, section 5.4.2.
    """
    predictions = jnp.dot(batch.inputs, params.weight) + params.bias
    slopes = _mse_slopes(predictions, batch.targets)
    return params._replace(weight=jnp.dot(slopes, batch.inputs), bias=jnp.sum(slopes))


def polynomial_mse(params: Params, batch: Batch) -> Params:
    """The gradient of the mean squared error of `models.polynomial`.

    A polynomial is linear in its coefficients:

        p_i   = Σ_j c_j x_i^j
        L     = 1/n Σ_i (p_i - y_i)²
        dL/dp_i = 2 (p_i - y_i) / n
        dp_i/dc_j = x_i^j
        dL/dc_j = Σ_i dL/dp_i · x_i^j

    Args:
        params: coefficients `(degree + 1,)`, that of x⁰ first.
        batch: inputs and targets `(n,)`.

    Returns:
        The derivatives, in the type of the parameters.
    """
    degree = params.coefficients.shape[0] - 1
    powers = jnp.vander(batch.inputs, degree + 1, increasing=True)
    slopes = _mse_slopes(powers @ params.coefficients, batch.targets)
    return params._replace(coefficients=slopes @ powers)


def _mse_slopes(predictions, targets):
    return 2 * (predictions - targets) / targets.size
