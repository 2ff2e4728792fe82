"""Gradients derived by hand against autodiff, and against the sources' formulas."""

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
    return lambda params, batch: losses.mse(apply(params, batch.inputs), batch.targets)


def mean_cross_entropy(params, batch):
    return losses.cross_entropy(logits(params, batch.inputs), batch.targets)


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


def assert_close(got, expected, tolerance):
    """Compares every entry, to a fraction of the leaf's largest.

    Sums over rows may cancel, and leave an entry nothing but their rounding.
    """
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for mine, other in zip(
        jax.tree.leaves(got), jax.tree.leaves(expected), strict=True
    ):
        scale = np.max(np.abs(other))
        np.testing.assert_allclose(mine, other, rtol=0, atol=tolerance * scale)


@cases
@pytest.mark.parametrize("rows", [1, 20])
def test_a_closed_form_is_autodiff_in_float64(case, rows, float64):
    params, batches = random_problems(case, np.float64, count=50, rows=rows)
    got = jax.jit(jax.vmap(case.closed_form))(params, batches)
    expected = jax.jit(jax.vmap(jax.grad(case.objective)))(params, batches)
    for problem in range(50):
        assert_close(nth(problem, got), nth(problem, expected), 1e-12)


@cases
def test_a_closed_form_in_float32_is_that_in_float64_to_its_rounding(case):
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


def test_the_comparison_can_fail(float64):
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


PENALTIES = {"l1": (losses.l1, analytic.l1), "l2": (losses.l2, analytic.l2)}
penalties = pytest.mark.parametrize("loss, gradient", PENALTIES.values(), ids=PENALTIES)


@penalties
def test_a_penalty_is_its_autodiff(loss, gradient, float64):
    params = {"a": jnp.asarray([1.5, -2.0, 0.0]), "b": [jnp.asarray(-0.25)]}
    assert_close(gradient(0.3)(params), jax.grad(loss(0.3))(params), 1e-15)


@penalties
def test_a_penalty_refuses_a_negative_strength(loss, gradient):
    with pytest.raises(ValueError, match="strength must not be negative; got -1"):
        gradient(-1)


@pytest.mark.parametrize("case", [CASES["plane"], CASES["wide net"]])
def test_penalties_add_to_any_closed_form(case, float64):
    params, batch = random_problem(case, np.float64)
    closed_form = analytic.penalised(
        case.closed_form, analytic.l1(0.1), analytic.l2(0.01)
    )

    def objective(params):
        penalty = losses.l1(0.1)(params) + losses.l2(0.01)(params)
        return case.objective(params, batch) + penalty

    got = jax.jit(closed_form)(params, batch)
    assert_close(got, jax.jit(jax.grad(objective))(params), 1e-12)


def test_penalised_passes_the_key_on():
    def noise(params, batch, key):
        return jax.random.normal(key, params.shape)

    params, key = jnp.ones(3), jax.random.key(0)
    got = analytic.penalised(noise, analytic.l2(1.0))(params, None, key)
    np.testing.assert_allclose(got, jax.random.normal(key, (3,)) + 2, rtol=1e-6)


def sine(x, y):
    return jnp.sin(x**2 + y**2)


def tanh_of_log(x, y, z):
    return jnp.tanh(jnp.log(1 + z * (2 * x / jnp.sin(y))))


FUNCTIONS = {
    "sine": (sine, analytic.sine_of_squares, (-3, 3)),
    # Within (0, π) the logarithm's argument is positive.
    "tanh of log": (tanh_of_log, analytic.tanh_log_ratio, (0.1, 3)),
}


@pytest.mark.parametrize(
    "function, partials, interval", FUNCTIONS.values(), ids=FUNCTIONS
)
def test_partial_derivatives_are_autodiff(function, partials, interval, float64):
    count = function.__code__.co_argcount
    arguments = np.random.default_rng(0).uniform(*interval, size=(count, 100))
    gradient = jax.jit(jax.vmap(jax.grad(function, argnums=tuple(range(count)))))
    got, expected = jax.jit(partials)(*arguments), gradient(*arguments)
    np.testing.assert_allclose(np.stack(got), np.stack(expected), rtol=1e-12)


def test_the_partial_derivatives_that_the_source_prints():
    x, y, z = np.random.default_rng(1).uniform(0.1, 3, size=(3, 100))
    a, b = 2 * x, np.sin(y)
    d = z * a / b
    shared = (1 - np.tanh(np.log(1 + d)) ** 2) / (d + 1) * z
    with jax.enable_x64(True):
        along_x, along_y, _ = analytic.tanh_log_ratio(*map(jnp.asarray, (x, y, z)))
        sines = analytic.sine_of_squares(jnp.asarray(x), jnp.asarray(y))
    np.testing.assert_allclose(along_x, shared / b * 2, rtol=1e-9)
    np.testing.assert_allclose(along_y, shared * -a / b**2 * np.cos(y), rtol=1e-9)
    np.testing.assert_allclose(sines[0], 2 * x * np.cos(x**2 + y**2), rtol=1e-12)
    np.testing.assert_allclose(sines[1], 2 * y * np.cos(x**2 + y**2), rtol=1e-12)
