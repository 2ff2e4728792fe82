"""Every model is a pair of pure functions that computes its formula in NumPy."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import funclearn as fl

KEY = jax.random.key(0)
LEGACY = jax.random.PRNGKey(0)


def dense_layers(params, inputs, activation):
    layers = [params[name] for name in sorted(params)]
    for layer in layers[:-1]:
        inputs = activation(inputs @ layer["kernel"] + layer["bias"])
    return inputs @ layers[-1]["kernel"] + layers[-1]["bias"]


def wide_net(params, inputs):
    hidden = np.tanh(inputs @ params.hidden_weight + params.hidden_bias)
    return hidden @ params.output_weight + params.output_bias


class Case(NamedTuple):
    model: fl.Model
    columns: tuple[int, ...]
    formula: Callable[[Any, Any], Any]


CASES = {
    "linear": Case(fl.models.linear, (), lambda p, x: p.weight * x + p.bias),
    "neuron": Case(fl.models.neuron, (), lambda p, x: np.tanh(p.weight * x + p.bias)),
    "affine": Case(fl.models.affine(3), (3,), lambda p, x: x @ p.weight + p.bias),
    "polynomial": Case(
        fl.models.polynomial(4),
        (),
        lambda p, x: np.polynomial.Polynomial(p.coefficients)(x),
    ),
    "mlp": Case(
        fl.models.mlp((2, 5, 3, 1)), (2,), lambda p, x: dense_layers(p, x, np.tanh)
    ),
    "sine mlp": Case(
        fl.models.mlp([1, 4, 1], jnp.sin), (1,), lambda p, x: dense_layers(p, x, np.sin)
    ),
    "wide net": Case(fl.models.wide_net, (1,), wide_net),
    "nnx": Case(
        fl.models.from_nnx(lambda rngs: nnx.Linear(3, 2, rngs=rngs)),
        (3,),
        lambda p, x: x @ p["kernel"].get_value() + p["bias"].get_value(),
    ),
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@functools.cache
def initial(case):
    return case.model.init(KEY)


def some_inputs(case, dtype: Any = np.float32):
    return np.random.default_rng(0).normal(size=(5, *case.columns)).astype(dtype)


def assert_formula(case, params, inputs, rtol):
    predictions = case.model.apply(params, jnp.asarray(inputs))
    expected = case.formula(jax.tree.map(np.asarray, params), inputs)
    assert predictions.dtype == inputs.dtype
    np.testing.assert_allclose(predictions, expected, rtol=rtol, atol=rtol)


@cases
def test_apply_computes_the_formula(case):
    assert_formula(case, initial(case), some_inputs(case), rtol=1e-5)


@cases
def test_apply_keeps_float64(case, float64):
    params = jax.tree.map(
        # Other than zero, which initial biases may be.
        lambda leaf: jnp.asarray(np.float64(leaf) + 0.25),
        initial(case),
    )
    assert_formula(case, params, some_inputs(case, np.float64), rtol=1e-13)


def lane_of(tree, lane):
    return jax.tree.map(lambda leaf: leaf[lane], tree)


@cases
def test_an_ensemble_is_an_axis_compiled_or_not(case):
    keys = jnp.stack([KEY, KEY, jax.random.key(1)])
    inputs = jnp.asarray(some_inputs(case))

    @jax.jit
    @jax.vmap
    def run(key):
        params = case.model.init(key)
        return params, case.model.apply(params, inputs)

    ensemble, predictions = run(keys)
    lanes = [lane_of(ensemble, lane) for lane in range(3)]
    same, others = (jax.tree.map(jnp.array_equal, lanes[0], lane) for lane in lanes[1:])
    assert jax.tree.all(same)
    assert not jax.tree.all(others)
    eager = jax.tree.leaves(initial(case))
    for leaf, expected in zip(jax.tree.leaves(lanes[0]), eager, strict=True):
        assert leaf.dtype == expected.dtype == jnp.float32
        np.testing.assert_allclose(leaf, expected, rtol=1e-6)
    for lane in (0, 2):
        expected = case.model.apply(lanes[lane], inputs)
        np.testing.assert_allclose(predictions[lane], expected, rtol=1e-5, atol=1e-6)


REFUSALS = {
    **{
        f"key of {name}": (lambda case=case: case.model.init(LEGACY), "key must be")
        for name, case in CASES.items()
    },
}


@pytest.mark.parametrize("call, message", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.usefixtures("plain_annotations")
def test_refusals_name_the_argument(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
