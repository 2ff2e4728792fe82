"""The growth of perturbations, where it is known."""

# What is passed here the types allow to be meant otherwise, and the tests know what
# their results are where the types leave it open.
# pyright: reportArgumentType=false, reportCallIssue=false
# pyright: reportOptionalMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np

from funclearn.hypergradients._growth import growth_of
from tests.hypergradients.runs import KEY, READINGS, logistic, train_line


def growths(run, points):
    """Of all points by one program."""
    found = jax.jit(jax.vmap(lambda point: growth_of(run, point)))(jnp.asarray(points))
    return jax.tree.map(np.asarray, found)


def test_the_thermometer_near_its_largest_stable_rate():
    """In a step of descent |1 - rate · λ| is left, or grown, of a perturbation."""
    design = np.stack([READINGS.inputs, np.ones(11)], axis=1).astype(float)
    curvatures = np.linalg.eigvalsh(2 * design.T @ design / 11)
    rates = 2 / curvatures[-1] * np.array([0.5, 0.9, 0.99, 1.01, 1.1, 3.0])
    found = growths(lambda rate: train_line(rate, epochs=100), rates)
    expected = np.abs(1 - rates[:, None] * curvatures).max(axis=1)
    np.testing.assert_allclose(found.rate[1:], expected[1:], rtol=1e-5)
    assert found.rate[0] < 1e-5  # one step takes all
    np.testing.assert_allclose(found.factor[:3], 1)
    np.testing.assert_allclose(found.factor[3:5], expected[3:5] ** 90, rtol=1e-3)
    # The last one diverges: it counts up to where it is no number.
    np.testing.assert_array_equal(found.steps[:5], 100)
    assert found.steps[5] < 60


def test_chaos():
    """The logistic map at 4 doubles perturbations, and at 3.2 has a cycle of two."""
    found = growths(lambda r: logistic(r, 2000), [4.0, 3.2, 2.5])
    np.testing.assert_allclose(found.rate[0], 2, rtol=0.03)
    # At the fixed point 1 - 1/r it is r - 2; in the cycle 4 + 2r - r², of two steps.
    np.testing.assert_allclose(found.rate[1:], [np.sqrt(0.16), 0.5], rtol=1e-3)
    assert found.factor[0] > 1e30


def test_a_network_with_too_large_a_rate_is_chaotic():
    """Gradient descent on eight points of a sine, by a network of one hidden layer."""
    inputs = jnp.linspace(-1, 1, 8)

    def loss(params):
        hidden = jnp.tanh(jnp.outer(inputs, params[0]) + params[1][None])
        return jnp.mean((hidden @ params[2] - jnp.sin(3 * inputs)) ** 2)

    def run(rate):
        start = jax.random.normal(KEY, (3, 4))
        descend = lambda _, x: x - rate * jax.grad(loss)(x)  # noqa: E731
        return loss(jax.lax.fori_loop(0, 400, descend, start))

    found = growths(run, [0.05, 1.5])
    assert found.rate[0] < 1.01 and found.factor[0] < 100
    assert found.rate[1] > 1.02 and found.factor[1] > 1e4


def test_rows_in_reverse():
    def run(x):
        rows = jnp.linspace(0.5, 0.9, 20)
        step = lambda y, row: (y * row * jnp.cos(0 * x), None)  # noqa: E731
        return jax.lax.scan(step, x, rows, reverse=True)[0]

    rates = np.linspace(0.5, 0.9, 20)
    found = jax.jit(lambda x: growth_of(run, x))(1.0)
    np.testing.assert_allclose(found.rate, np.exp(np.log(rates[:10]).mean()), rtol=1e-5)


def test_without_a_loop_there_is_none():
    assert growth_of(jnp.sin, 1.0) is None
