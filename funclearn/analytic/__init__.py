"""Gradients derived by hand.

Those of models are `(params, batch) -> grads`, to be used through
`funclearn.gradients.given`; `penalised` adds the gradient of a penalty to them. Those
of the two textbook functions take the function's own arguments. The docstring of each
is its derivation.
"""

from funclearn.analytic._functions import sine_of_squares, tanh_log_ratio
from funclearn.analytic._models import (
    SoftmaxParams,
    linear_mse,
    neuron_mse,
    polynomial_mse,
    softmax_cross_entropy,
    wide_net_mse,
)
from funclearn.analytic._penalties import l1, l2, penalised

__all__ = [
    "SoftmaxParams",
    "l1",
    "l2",
    "linear_mse",
    "neuron_mse",
    "penalised",
    "polynomial_mse",
    "sine_of_squares",
    "softmax_cross_entropy",
    "tanh_log_ratio",
    "wide_net_mse",
]
