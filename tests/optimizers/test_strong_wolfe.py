"""The line search: what it finds, and how it ends where there is nothing to find."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.marks import QUICK
from funclearn.optimizers._strong_wolfe import Point, strong_wolfe

RECORDED = np.load(Path(__file__).with_name("lbfgs.npz"))["searches"]
FUNCTIONS = {
    "parabola": lambda t: (t - 3.0) ** 2,
    "far away": lambda t: (t - 200.0) ** 2 / 100,
    "steep": lambda t: (t - 1e-3) ** 2 * 1e4,
    "wavy": lambda t: 0.1 * t**2 - t + 0.3 * jnp.sin(2 * t),
    "exponential": lambda t: jnp.exp(t) - 4 * t,
    "narrow": lambda t: -t / (t**2 + 1e-4),
    "kinked": lambda t: abs(t - 0.37) + 0.01 * t**2,
    "wall": lambda t: jnp.where(t < 0.37, 0.37 - t, 50 * (t - 0.37)),
    "bent": lambda t: abs(t - 0.37) ** 1.1 - 0.2 * t,
    "endless": lambda t: -t,
    "not a number": lambda t: jnp.sqrt(0.5 - t),
}
SMOOTH = list(FUNCTIONS)[:5]
FIRST = np.array([1.0, 0.1, 10.0, 1e-3, 0.4])
TURNS = [25, 5, 0]


def function(index, t):
    return jax.lax.switch(index, list(FUNCTIONS.values()), t)


@functools.cache
def compiled():
    """The search in lanes, of a function, a first step, and a number of turns."""

    def search(index, at, turns):
        def evaluate(t):
            value, slope = jax.value_and_grad(lambda t: function(index, t))(t)
            return Point(t, value, slope[None], slope)

        one = jnp.ones(())
        return strong_wolfe(evaluate, evaluate(0 * one), at, one, turns)

    return jax.jit(jax.vmap(search), compiler_options=QUICK)


@functools.cache
def searched():
    """From each function, number of turns and first step what was found."""
    shape = len(FUNCTIONS), len(TURNS), len(FIRST)
    index, turns, first = np.indices(shape).reshape(3, -1)
    lanes = index, FIRST[first], np.array(TURNS, np.int32)[turns]
    point, evaluations = compiled()(*lanes)
    return [np.reshape(one, shape) for one in (*point[:2], point.slope, evaluations)]


def test_it_finds_what_pytorch_finds(float64):
    """By as many evaluations, so by the same way."""
    at, value, _, evaluations = searched()
    assert set(RECORDED[..., 2].ravel()) >= {1, 2, 3, 4, 6, 26}
    np.testing.assert_array_equal(evaluations, RECORDED[..., 2])
    np.testing.assert_allclose(at, RECORDED[..., 0], rtol=1e-9)
    np.testing.assert_allclose(value, RECORDED[..., 1], rtol=1e-9, atol=1e-9)


def test_steps_satisfy_the_strong_wolfe_conditions(float64):
    at, found, slopes, _ = searched()
    for row, name in enumerate(SMOOTH):
        value, slope = jax.value_and_grad(FUNCTIONS[name])(0.0)
        assert np.all(found[row, 0] <= value + 1e-4 * at[row, 0] * slope), name
        assert np.all(abs(slopes[row, 0]) <= 0.9 * abs(slope)), name


def test_the_way_has_derivatives(float64):
    """The minimum of a parabola, found by one interpolation."""

    def found(middle):
        def evaluate(t):
            return Point(t, (t - middle) ** 2, jnp.ones(1), 2 * (t - middle))

        one = jnp.ones(())
        start = evaluate(0 * one)
        point, _ = strong_wolfe(evaluate, start, one, one, jnp.array(25, jnp.int32))
        return point.at

    at, slope = jax.jvp(found, (0.3,), (1.0,))
    np.testing.assert_allclose((at, slope), (0.3, 1), rtol=1e-12)
