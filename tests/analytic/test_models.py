"""The gradients of models' losses: against autodiff, and what the sources print."""

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn import analytic, losses, models


def logits(params, inputs):
    return inputs @ params.weight + params.bias[None, :]


def network_predictions(params, inputs):
    hidden = jnp.tanh(inputs @ params.hidden_weight + params.hidden_bias[None, :])
    return hidden @ params.output_weight + params.output_bias[None, :]


def mean_squares(apply):
    return lambda params, batch: losses.mse(
        apply(params, batch.inputs), batch.targets, batch.weights
    )


def mean_cross_entropy(params, batch):
    return losses.cross_entropy(
        logits(params, batch.inputs), batch.targets, batch.weights
    )


def line(draw, rows):
    params = models.LinearParams(draw(), draw())
    return params, fl.Dataset(draw(rows), draw(rows))


def plane(draw, rows):
    params = models.LinearParams(draw(3), draw())
    return params, fl.Dataset(10 * draw(rows, 3), draw(rows))


def curve(draw, rows):
    return models.PolynomialParams(draw(5)), fl.Dataset(draw(rows), draw(rows))


def network(draw, rows, *, inputs, width, outputs):
    params = models.WideNetParams(
        draw(inputs, width), draw(width), draw(width, outputs), draw(outputs)
    )
    return params, fl.Dataset(draw(rows, inputs), draw(rows, outputs))


def classes(draw, rows):
    labels = np.argmax(draw(rows, 4), axis=1)
    params = analytic.SoftmaxParams(draw(3, 4), draw(4))
    return params, fl.Dataset(draw(rows, 3), labels)


class Case(NamedTuple):
    objective: Callable[..., Any]
    closed_form: Callable[..., Any]
    problem: Callable[..., Any]


wide_net = mean_squares(network_predictions)
CASES = {
    "line": Case(mean_squares(models.linear.apply), analytic.linear_mse, line),
    "plane": Case(mean_squares(models.affine(3).apply), analytic.linear_mse, plane),
    "polynomial": Case(
        mean_squares(models.polynomial(4).apply), analytic.polynomial_mse, curve
    ),
    "neuron": Case(mean_squares(models.neuron.apply), analytic.neuron_mse, line),
    "wide net": Case(
        wide_net,
        analytic.wide_net_mse,
        functools.partial(network, inputs=1, width=512, outputs=1),
    ),
    "net of one neuron": Case(
        wide_net,
        analytic.wide_net_mse,
        functools.partial(network, inputs=1, width=1, outputs=1),
    ),
    "net of several outputs": Case(
        wide_net,
        analytic.wide_net_mse,
        functools.partial(network, inputs=3, width=7, outputs=2),
    ),
    "softmax": Case(mean_cross_entropy, analytic.softmax_cross_entropy, classes),
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def random_problems(case, dtype, count=1, rows=9):
    """Parameters and batches, stacked along a first axis."""
    generator = np.random.default_rng(len(case.closed_form.__name__))

    def cast(*leaves):
        leaf = np.stack(leaves)
        floating = np.issubdtype(leaf.dtype, np.floating)
        return jnp.asarray(leaf, dtype if floating else None)

    def draw(*shape):
        return generator.normal(size=shape)

    return jax.tree.map(cast, *[case.problem(draw, rows) for _ in range(count)])


def random_problem(case, dtype):
    return nth(0, random_problems(case, dtype))


def nth(index, tree):
    return jax.tree.map(lambda leaf: leaf[index], tree)


@cases
@pytest.mark.parametrize("rows", [1, 20])
def test_a_closed_form_is_autodiff_in_float64(case, rows, assert_close, float64):
    params, batches = random_problems(case, np.float64, count=50, rows=rows)
    got = jax.jit(jax.vmap(case.closed_form))(params, batches)
    expected = jax.jit(jax.vmap(jax.grad(case.objective)))(params, batches)
    for problem in range(50):
        assert_close(nth(problem, got), nth(problem, expected), 1e-12)


@cases
def test_a_closed_form_counts_rows_by_their_weights(case, assert_close, float64):
    params, batch = random_problem(case, np.float64)
    batch = batch._replace(weights=jnp.array([2, 0, 1, 3, 0, 1, 1, 5, 0.5]))
    expected = jax.jit(jax.grad(case.objective))(params, batch)
    assert_close(jax.jit(case.closed_form)(params, batch), expected, 1e-12)


@cases
def test_a_closed_form_in_float32_is_that_in_float64_to_its_rounding(
    case, assert_close
):
    single = random_problem(case, np.float32)
    got = jax.jit(case.closed_form)(*single)
    assert {leaf.dtype for leaf in jax.tree.leaves(got)} == {np.dtype(np.float32)}
    with jax.enable_x64(True):
        promoted = jax.tree.map(
            lambda leaf: (
                jnp.asarray(np.asarray(leaf), jnp.result_type(leaf, float))
                if jnp.issubdtype(leaf.dtype, jnp.floating)
                else leaf
            ),
            single,
        )
        expected = jax.jit(jax.grad(case.objective))(*promoted)
    assert_close(got, expected, 2e-6)


@cases
def test_a_closed_form_is_taken_by_given(case):
    params, batch = random_problem(case, np.float32)
    value_and_grad = fl.gradients.given(case.closed_form)(
        lambda params, batch, key: case.objective(params, batch)
    )
    _, grads = jax.eval_shape(value_and_grad, params, batch, None)
    assert type(grads) is type(params)


def test_the_comparison_can_fail(assert_close, float64):
    right = models.LinearParams(jnp.asarray([1.0, 1e-3]), jnp.asarray(1.0))
    wrong = right._replace(weight=right.weight + jnp.asarray([0, 1e-11]))
    assert_close(right, right, 1e-12)
    with pytest.raises(AssertionError):
        assert_close(wrong, right, 1e-12)


def test_the_neuron_of_the_source(float64):
    params = models.LinearParams(jnp.asarray(-0.5), jnp.asarray(0.5))
    batch = fl.Dataset(jnp.asarray([1.0]), jnp.asarray([7.0]))
    assert CASES["neuron"].objective(params, batch) == 49
    assert analytic.neuron_mse(params, batch) == (-14, -14)


def test_a_saturated_neuron_loses_no_digits(float64):
    params = models.LinearParams(jnp.asarray(1.0), jnp.asarray(0.0))
    batch = fl.Dataset(jnp.asarray([15.0]), jnp.asarray([0.0]))
    prediction = Fraction(float(jnp.tanh(15.0)))
    exact = float(2 * prediction * (1 - prediction**2))
    np.testing.assert_allclose(analytic.neuron_mse(params, batch).bias, exact, 1e-15)


def test_softmax_probabilities_do_not_overflow():
    params = analytic.SoftmaxParams(jnp.asarray([[1e3, -1e3]]), jnp.zeros(2))
    batch = fl.Dataset(jnp.asarray([[5.0]]), jnp.asarray([1]))
    weight, bias = analytic.softmax_cross_entropy(params, batch)
    assert weight.tolist() == [[5, -5]] and bias.tolist() == [1, -1]


DTYPES = ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["line", "plane", "polynomial", "neuron", "wide net"])
def test_gradients_are_those_of_the_numbers(name, dtype):
    """Bytes wrap, half precision rounds: in powers above all. Oracle: float32's."""
    case = CASES[name]
    random = np.random.default_rng(0)

    def draw(*shape):
        return jnp.asarray(random.normal(size=shape), jnp.float32)

    params, batch = case.problem(draw, 5)
    batch = jax.tree.map(
        lambda leaf: np.abs(16 * np.asarray(leaf) % 32).astype(jnp.dtype(dtype)), batch
    )
    closed_form = jax.jit(case.closed_form)
    grads = closed_form(params, batch)
    floats = closed_form(
        params, jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), batch)
    )
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5),
        grads,
        floats,
    )


def test_gradients_have_the_type_of_the_parameters():
    batch = fl.Dataset(jnp.arange(4.0), jnp.ones(4))
    params = models.LinearParams(jnp.bfloat16(2), jnp.float32(1))
    grads = analytic.linear_mse(params, batch)
    assert (grads.weight.dtype, grads.bias.dtype) == (jnp.bfloat16, jnp.float32)


@pytest.mark.parametrize("name", ["line", "polynomial", "neuron"])
def test_a_column_may_have_an_axis_but_targets_must_have_it_too(name):
    case = CASES[name]
    random = np.random.default_rng(0)
    params, batch = case.problem(
        lambda *shape: jnp.asarray(random.normal(size=shape), jnp.float32), 5
    )
    tall = fl.Dataset(batch.inputs[:, None], batch.targets[:, None])
    jax.tree.map(
        np.testing.assert_array_equal,
        case.closed_form(params, tall),
        case.closed_form(params, batch),
    )
    with pytest.raises(ValueError, match="predictions and targets must have one shape"):
        case.closed_form(params, tall._replace(targets=batch.targets))


def test_labels_in_bytes_name_one_class_each():
    params = analytic.SoftmaxParams(jnp.ones((1, 300)), jnp.zeros(300))
    labels = np.array([44, 100], np.uint8)
    grads = [
        analytic.softmax_cross_entropy(
            params, fl.Dataset(jnp.ones((2, 1)), jnp.asarray(labels, dtype))
        )
        for dtype in ("uint8", "int32")
    ]
    np.testing.assert_array_equal(grads[0].bias, grads[1].bias)
    assert np.flatnonzero(np.asarray(grads[0].bias) < 0).tolist() == [44, 100]
