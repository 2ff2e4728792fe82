"""Linear models start uniform and independent, and have their gradients."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl

KEY = jax.random.key(0)
FRACTION: Any = 1.5


FAN_IN = {
    "linear": (fl.models.linear, 1),
    "affine": (fl.models.affine(4), 4),
    "polynomial": (fl.models.polynomial(3), 4),
}


@pytest.mark.parametrize("model, fan_in", FAN_IN.values(), ids=FAN_IN)
def test_initial_parameters_are_uniform_within_one_over_root_fan_in(model, fan_in):
    drawn = jax.jit(jax.vmap(model.init))(jax.random.split(KEY, 4000))
    for leaf in jax.tree.leaves(drawn):
        scaled = np.sort(np.asarray(leaf).ravel()) * math.sqrt(fan_in)
        quantiles = np.linspace(-1, 1, scaled.size)
        # Kolmogorov's distance; a sample is further off once in 10,000.
        assert np.abs(scaled - quantiles).max() / 2 < 2.2 / math.sqrt(scaled.size)


def test_weight_and_bias_are_drawn_independently():
    drawn = jax.jit(jax.vmap(fl.models.linear.init))(jax.random.split(KEY, 4000))
    correlation = np.corrcoef(drawn.weight, drawn.bias)[0, 1]
    assert abs(correlation) < 4 / math.sqrt(4000)


def test_a_polynomial_has_a_gradient_at_zero():
    params = fl.models.PolynomialParams(jnp.array([1.0, 2.0, 3.0, 4.0]))
    apply = fl.models.polynomial(3).apply
    assert jax.grad(lambda x: apply(params, x))(0.0) == 2.0
    grads = jax.grad(lambda params: apply(params, jnp.array(0.0)))(params)
    assert grads.coefficients.tolist() == [1, 0, 0, 0]


REFUSALS = {
    "affine(0)": (lambda: fl.models.affine(0), "features must be at least 1; got 0"),
    "affine(1.5)": (lambda: fl.models.affine(FRACTION), "features must be an integer"),
    "polynomial(-1)": (lambda: fl.models.polynomial(-1), "degree must be at least 0"),
}


LINE = fl.models.LinearParams(jnp.ones(()), jnp.ones(()))
REFUSALS |= {
    "missing coefficient": (
        lambda: fl.models.polynomial(2).apply(
            fl.models.PolynomialParams(jnp.ones(2)), jnp.ones(4)
        ),
        r"params\.coefficients must have the shape \(3,\); got \(2,\)",
    ),
    "coefficient too many": (
        lambda: fl.models.polynomial(2).apply(
            fl.models.PolynomialParams(jnp.ones(4)), jnp.ones(4)
        ),
        r"params\.coefficients must have the shape \(3,\); got \(4,\)",
    ),
    "weights of a line": (
        lambda: fl.models.linear.apply(LINE._replace(weight=jnp.ones(4)), jnp.ones(4)),
        r"params\.weight must have the shape \(\); got \(4,\)",
    ),
    "biases of a line": (
        lambda: fl.models.linear.apply(LINE._replace(bias=jnp.ones(4)), jnp.ones(4)),
        r"params\.bias must have the shape \(\); got \(4,\)",
    ),
    "a weight of a plane": (
        lambda: fl.models.affine(2).apply(LINE, jnp.ones((4, 2))),
        r"params\.weight must have the shape \(2,\); got \(\)",
    ),
}


@pytest.mark.parametrize("call, message", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.usefixtures("plain_annotations")
def test_refusals_name_the_argument(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_a_polynomial_of_integers_is_fitted():
    """Its leading coefficient is no integer, and has a gradient."""
    x = np.arange(10)
    model, optimizer = fl.models.polynomial(1), optax.adam(0.1)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(KEY, model.init(KEY), optimizer)
    for inputs in (x, jnp.asarray(x), x.astype(np.uint8)):
        run = fl.fit(step, state, fl.Dataset(inputs, 0.5 * x + 1), epochs=500)
        np.testing.assert_allclose(run.state.params.coefficients, [1, 0.5], atol=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_coefficients_are_not_rounded_to_the_inputs(dtype):
    coefficients = np.float32([0.1, 0.2, 1 / 3])
    inputs = jnp.array([1, 2, 100], dtype)
    found = fl.models.polynomial(2).apply(
        fl.models.PolynomialParams(jnp.asarray(coefficients)), inputs
    )
    wanted = np.polynomial.Polynomial(coefficients)(np.asarray(inputs, np.float64))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
