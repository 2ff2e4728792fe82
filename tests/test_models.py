"""Models against formulas in NumPy; flax modules trained."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

import funclearn as fl

KEY = jax.random.key(0)


def dense_layers(params, inputs, activation):
    layers = [params[name] for name in sorted(params)]
    for layer in layers[:-1]:
        inputs = activation(inputs @ layer["kernel"] + layer["bias"])
    return inputs @ layers[-1]["kernel"] + layers[-1]["bias"]


def wide_net(params, inputs):
    hidden = np.tanh(inputs @ params.hidden_weight + params.hidden_bias)
    return hidden @ params.output_weight + params.output_bias


FLAX = {
    "linen": fl.models.from_linen(linen.Dense(2), jnp.zeros((1, 3))),
    "nnx": fl.models.from_nnx(lambda rngs: nnx.Linear(3, 2, rngs=rngs)),
}


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
        FLAX["nnx"],
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


def test_the_wide_net_has_its_1537_parameters():
    params = fl.models.wide_net.init(KEY)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 1537
    bounds = jax.tree.map(lambda leaf: float(jnp.max(jnp.abs(leaf))), params)
    assert 0.9 < bounds.hidden_weight <= 1 and 0.9 < bounds.hidden_bias <= 1
    assert max(bounds.output_weight, bounds.output_bias) <= 512**-0.5


def test_a_polynomial_has_a_gradient_at_zero():
    params = fl.models.PolynomialParams(jnp.array([1.0, 2.0, 3.0, 4.0]))
    apply = fl.models.polynomial(3).apply
    assert jax.grad(lambda x: apply(params, x))(0.0) == 2.0
    grads = jax.grad(lambda params: apply(params, jnp.array(0.0)))(params)
    assert grads.coefficients.tolist() == [1, 0, 0, 0]


class WithState(linen.Module):
    @linen.compact
    def __call__(self, inputs):
        return linen.BatchNorm(use_running_average=False)(inputs)


def batch_norm(rngs):
    return nnx.Sequential(nnx.Linear(1, 1, rngs=rngs), nnx.BatchNorm(1, rngs=rngs))


FRACTION: Any = 1.5
LEGACY = jax.random.PRNGKey(0)
REFUSALS = {
    "affine(0)": (lambda: fl.models.affine(0), "features must be at least 1; got 0"),
    "affine(1.5)": (lambda: fl.models.affine(FRACTION), "features must be an integer"),
    "polynomial(-1)": (lambda: fl.models.polynomial(-1), "degree must be at least 0"),
    "mlp(3)": (lambda: fl.models.mlp((3,)), r"widths must hold .* got \[3\]"),
    "mlp(1, 0)": (lambda: fl.models.mlp((1, 0, 1)), r"widths\[1\] must be at least 1"),
    "linen": (
        lambda: fl.models.from_linen(WithState(), jnp.zeros((1, 1))).init(KEY),
        r"'params' alone; WithState keeps \['batch_stats', 'params'\]",
    ),
    "nnx": (lambda: fl.models.from_nnx(batch_norm), r"nnx\.Param; it keeps .*\.mean"),
    "nnx dropout": (
        lambda: fl.models.from_nnx(lambda rngs: nnx.Dropout(0.5, rngs=rngs)),
        r"nnx\.Param; it keeps rngs",
    ),
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


def least_squares(inputs, targets):
    columns = np.column_stack([inputs, np.ones(len(inputs))]).astype(np.float64)
    return np.linalg.lstsq(columns, targets, rcond=None)[0]


@pytest.mark.parametrize("model", FLAX.values(), ids=FLAX)
def test_a_trained_flax_module_finds_the_least_squares_solution(model):
    rng = np.random.default_rng(1)
    train = fl.Dataset(*(jnp.asarray(rng.normal(size=(20, c))) for c in (3, 2)))
    optimizer = optax.sgd(0.3, momentum=0.5)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(KEY, model.init(KEY), optimizer)
    params = fl.fit(step, state, train, epochs=200).state.params
    assert jax.tree.structure(params) == jax.tree.structure(model.init(KEY))
    solution = least_squares(*map(np.asarray, train))
    offset = model.apply(params, jnp.zeros((3, 3)))
    found = jnp.vstack([model.apply(params, jnp.eye(3)) - offset, offset[:1]])
    np.testing.assert_allclose(found, solution, atol=1e-5)


def test_a_finished_nnx_module_keeps_its_parameters():
    module = nnx.Linear(2, 1, rngs=nnx.Rngs(7))
    before = np.array(module.kernel.get_value())
    model = fl.models.from_nnx(module)
    params = model.init(KEY)
    assert jnp.array_equal(params["kernel"].get_value(), before)
    moved = jax.tree.map(lambda leaf: leaf + 1, params)
    inputs = jnp.ones((3, 2))
    np.testing.assert_allclose(
        model.apply(moved, inputs), module(inputs) + 3, rtol=1e-6
    )
    assert jnp.array_equal(module.kernel.get_value(), before)
