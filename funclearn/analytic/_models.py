"""The gradients of models' losses, `(params, batch) -> grads`."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from funclearn._arrays import Arrays, as_array, as_floats, errors_of, narrowed
from funclearn._types import Batch, Params
from funclearn._weights import as_weights, ratio, weights_of, without

__all__ = [
    "SoftmaxParams",
    "linear_mse",
    "neuron_mse",
    "polynomial_mse",
    "softmax_cross_entropy",
    "tanh_slope",
    "wide_net_mse",
]


class SoftmaxParams(NamedTuple):
    """Parameters of softmax regression, the logits being inputs @ weight + bias."""

    weight: Float[Array, "features classes"]
    bias: Float[Array, " classes"]


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
    inputs = as_floats("batch.inputs", batch.inputs, params)
    predictions = jnp.dot(inputs, params.weight) + params.bias
    slopes = _mse_slopes(predictions, batch)
    return _in_type_of(params, weight=_projected(slopes, inputs), bias=jnp.sum(slopes))


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

    References:
        Bishop, Pattern Recognition and Machine Learning, 2006, section 1.1.
    """
    degree = params.coefficients.shape[0] - 1
    inputs = as_floats("batch.inputs", batch.inputs, params)
    powers = jnp.vander(jnp.ravel(inputs), degree + 1, increasing=True)
    predictions = jnp.reshape(powers @ params.coefficients, jnp.shape(inputs))
    slopes = _mse_slopes(predictions, batch)
    return _in_type_of(params, coefficients=jnp.ravel(slopes) @ powers)


def neuron_mse(params: Params, batch: Batch) -> Params:
    """The gradient of the mean squared error of `models.neuron`.

    For a single reading this is the squared error of the source:

        p_i   = tanh(w x_i + b)
        L     = 1/n Σ_i (y_i - p_i)²
        dL/dp_i = -2 (y_i - p_i) / n
        dtanh(s)/ds = 1 - tanh²(s)
        dL/dw = Σ_i -2 x_i (y_i - p_i) (1 - p_i²) / n
        dL/db = Σ_i -2 (y_i - p_i) (1 - p_i²) / n

    Args:
        params: scalar weight and scalar bias.
        batch: inputs and targets `(n,)`.

    Returns:
        The derivatives, in the type of the parameters.

    References:
        Neuromatch Academy, Deep Learning, Gradient Descent and AutoGrad, section 2.2.
    """
    inputs = as_floats("batch.inputs", batch.inputs, params)
    predictions = jnp.tanh(params.weight * inputs + params.bias)
    slopes = _mse_slopes(predictions, batch) * tanh_slope(predictions)
    return _in_type_of(params, weight=_projected(slopes, inputs), bias=jnp.sum(slopes))


def wide_net_mse(params: Params, batch: Batch) -> Params:
    """The gradient of the mean squared error of `models.wide_net`, of any width.

    Back-propagation: the chain rule from the loss towards the inputs, every factor
    written in terms of what the forward pass has computed.

        h_ij = tanh(Σ_k x_ik W_kj + b_j)        the hidden layer
        p_il = Σ_j h_ij V_jl + c_l              the prediction
        L    = 1/nm Σ_il (p_il - y_il)²         the loss, of n rows and m outputs
        dL/dp_il = 2 (p_il - y_il) / nm
        dL/dc_l  = Σ_i dL/dp_il
        dL/dV_jl = Σ_i h_ij · dL/dp_il
        dL/dh_ij = Σ_l dL/dp_il · V_jl
        dL/ds_ij = dL/dh_ij · (1 - h_ij²)       s being the argument of tanh
        dL/db_j  = Σ_i dL/ds_ij
        dL/dW_kj = Σ_i x_ik · dL/ds_ij

    Args:
        params: `models.WideNetParams`, or another NamedTuple with its fields.
        batch: inputs `(n, inputs)`, targets `(n, outputs)`.

    Returns:
        The derivatives, in the type of the parameters.

    References:
        Neuromatch Academy, Deep Learning, Gradient Descent and AutoGrad, sections 1.3
        and 3.1.
    """
    inputs = as_floats("batch.inputs", batch.inputs, params)
    arguments = inputs @ params.hidden_weight + params.hidden_bias[None, :]
    hidden = jnp.tanh(arguments)
    predictions = hidden @ params.output_weight + params.output_bias[None, :]
    slopes = _mse_slopes(predictions, batch)
    hidden_slopes = slopes @ params.output_weight.T * tanh_slope(hidden)
    return _in_type_of(
        params,
        hidden_weight=inputs.T @ hidden_slopes,
        hidden_bias=jnp.sum(hidden_slopes, axis=0),
        output_weight=hidden.T @ slopes,
        output_bias=jnp.sum(slopes, axis=0),
    )


def softmax_cross_entropy(params: Params, batch: Batch) -> Params:
    """The gradient of the mean cross-entropy of softmax regression.

    With t_ik = 1 where k is the label of row i, and 0 elsewhere:

        z_ik = Σ_j x_ij W_jk + b_k              the logits
        q_ik = exp(z_ik) / Σ_l exp(z_il)        the probabilities
        L    = -1/n Σ_ik t_ik log q_ik
        d log q_ik/dz_il = [k = l] - q_il
        dL/dz_il = -1/n Σ_k t_ik ([k = l] - q_il)
                 = (q_il - t_il) / n            since Σ_k t_ik = 1
        dL/dW_jl = Σ_i x_ij · dL/dz_il
        dL/db_l  = Σ_i dL/dz_il

    Args:
        params: `SoftmaxParams`, or another NamedTuple with its fields.
        batch: inputs `(n, features)`, targets `(n,)`: integers in `[0, classes)`.

    Returns:
        The derivatives, in the type of the parameters.

    References:
        Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.4.
    """
    inputs = as_floats("batch.inputs", batch.inputs, params)
    logits = inputs @ params.weight + params.bias[None, :]
    targets = as_array("batch.targets", batch.targets)
    targets = jnp.asarray(narrowed("batch.targets", targets))
    # Bytes do not hold the numbers of more than 256 classes.
    whole = targets.astype(jnp.result_type(targets, jnp.int32))
    labels = jax.nn.one_hot(whole, logits.shape[-1], dtype=logits.dtype)
    slopes = _counted(jax.nn.softmax(logits) - labels, batch, targets.shape)
    return _in_type_of(
        params, weight=jnp.matmul(inputs.T, slopes), bias=jnp.sum(slopes, axis=0)
    )


def _mse_slopes(predictions: Array, batch: Batch) -> Array:
    errors, _ = errors_of(predictions, batch.targets)
    return 2 * _counted(errors, batch, errors.shape)


def _counted(values: Array, batch: Batch, shape: tuple[int, ...]) -> Array:
    """Slopes times their targets' shares in a mean: 1/n, with weights w_i / Σ w."""
    weights = weights_of(batch)
    if weights is None:
        return values / math.prod(shape)
    weights = as_weights(weights, shape)
    total = jnp.sum(jnp.broadcast_to(weights, shape))
    weights = weights.reshape(*weights.shape, *(1,) * (values.ndim - weights.ndim))
    return ratio(weights * without(values, weights), total)


def _projected(slopes: Array, inputs: Arrays) -> Array:
    """Σ_i slope_i x_i for every column, of which (n,) and (n, 1) hold one."""
    if jnp.ndim(slopes) > 1:
        slopes, inputs = jnp.ravel(slopes), jnp.ravel(inputs)
    return jnp.dot(slopes, inputs)


def _in_type_of(params: Params, **grads: Array) -> Params:
    dtypes = {name: jnp.result_type(getattr(params, name)) for name in grads}
    return params._replace(
        **{name: grad.astype(dtypes[name]) for name, grad in grads.items()}
    )


def tanh_slope(value: Array) -> Array:
    """The derivative of tanh where it has the given value."""
    # 1 - value², which would lose its digits where tanh saturates.
    return (1 - value) * (1 + value)
