"""Programs carried out in float64, and how far rounding moves them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.gradients import _promotion
from funclearn.gradients._program import program_of

X = np.array([0.3, -1.7, 2.9], np.float32)


def run(function, *args, params=None):
    program = program_of(function, *map(jnp.asarray, args), x64=False, params=params)
    with jax.enable_x64(True):
        return np.asarray(_promotion.run(program, *args))


def run_rounded(function, *args, params=None, **options):
    program = program_of(function, *map(jnp.asarray, args), x64=False, params=params)
    with jax.enable_x64(True):
        found = _promotion.run_rounded(program, *args, **options)
        return tuple(map(np.asarray, found))


@jax.custom_jvp
def cubed(x):
    return x**3


cubed.defjvp(lambda primals, tangents: (cubed(*primals), 0 * tangents[0]))


def root(x):
    """The root of y³ = x, by Newton."""
    return jax.lax.custom_root(
        lambda y: y**3 - x,
        x,
        lambda f, y: jax.lax.fori_loop(0, 40, lambda _, y: y - f(y) / (3 * y**2), y),
        lambda g, y: y / g(jnp.ones_like(y)),
    )


# A JAX program of float32, and what it stands for.
SAME = {
    "arithmetic": (
        lambda x: jnp.sum(jnp.tanh(x) * x) / 3,
        lambda x: (np.tanh(x) * x).sum() / 3,
    ),
    "cast": (lambda x: jnp.exp(x.astype(jnp.float16)).astype(jnp.float32), np.exp),
    "product": (lambda x: jnp.outer(x, x) @ x, lambda x: np.outer(x, x) @ x),
    "jit": (jax.jit(lambda x: jnp.sin(x) + 2), lambda x: np.sin(x) + 2),
    "custom rule": (cubed, lambda x: x**3),
    "checkpoint": (jax.checkpoint(jnp.sin), np.sin),
    "scan": (
        lambda x: jax.lax.scan(lambda c, y: (c * y, c), 1.0, x)[1],
        lambda x: [1, x[0], x[0] * x[1]],
    ),
    "reversed scan": (
        lambda x: jax.lax.cumsum(x, reverse=True),
        lambda x: np.cumsum(x[::-1])[::-1],
    ),
    "while": (
        lambda x: jax.lax.while_loop(
            lambda c: c[0] < 3, lambda c: (c[0] + 1, jnp.sin(c[1])), (0, x)
        )[1],
        lambda x: np.sin(np.sin(np.sin(x))),
    ),
    "cond": (lambda x: jax.lax.cond(x[0] > 1, jnp.sin, jnp.cos, x), np.cos),
    "switch": (lambda x: jax.lax.switch(2, [jnp.sin, jnp.cos, jnp.tan], x), np.tan),
    "scatter": (
        lambda x: jnp.zeros(4).at[jnp.array([1, 1, 3])].add(x),
        lambda x: [0, x[0] + x[1], 0, x[2]],
    ),
    "solve": (
        lambda x: jnp.linalg.solve(jnp.outer(x, x) + jnp.eye(3), x),
        lambda x: np.linalg.solve(np.outer(x, x) + np.eye(3), x),
    ),
    "root": (root, np.cbrt),
    "linear call": (
        lambda x: jax.custom_derivatives.linear_call(
            lambda _, y: jnp.sin(0.5) * y, lambda _, g: jnp.sin(0.5) * g, (), x
        ),
        lambda x: np.sin(0.5) * x,
    ),
    "reduce_precision": (lambda x: jax.lax.reduce_precision(x, 5, 2), lambda x: x),
    "complex": (lambda x: jnp.abs(jnp.fft.fft(x)), lambda x: np.abs(np.fft.fft(x))),
    "derivative": (jax.grad(lambda x: jnp.sum(x**3)), lambda x: 3 * x**2),
}


@pytest.mark.parametrize(("function", "meaning"), SAME.values(), ids=SAME)
@pytest.mark.slow
def test_float32_programs_mean_mathematics(function, meaning):
    exact = np.asarray(meaning(X.astype(float)))
    np.testing.assert_allclose(run(function, X), exact, rtol=1e-14, atol=1e-15)


@pytest.mark.slow
def test_random_numbers_are_those_of_float32():
    key = jax.random.key(1)
    drawn = run(lambda key: jax.random.normal(key, (50,)), key)
    np.testing.assert_allclose(drawn, jax.random.normal(key, (50,)), rtol=1e-5)


def test_kernels_keep_their_precision():
    def function(x):
        shape = jax.ShapeDtypeStruct(x.shape, np.float32)
        return jax.pure_callback(np.sin, shape, x) / 3

    exact, spread = run_rounded(function, X)
    np.testing.assert_allclose(exact, np.sin(X).astype(float) / 3, rtol=1e-15)
    assert np.all(spread > 1e-9) and np.all(spread < 1e-7)


def test_own_precision_gives_the_numbers_of_the_function():
    program = program_of(jnp.tanh, X, x64=False)
    np.testing.assert_array_equal(program(X), jnp.tanh(X))


# Functions of a float64 argument whose rounding errors are known in size.
ROUNDED = {
    "one operation": (lambda x: x * x, 2.0, 4 * 2**-53),
    "cancellation": (lambda x: (x + 1e6) - 1e6, 2.0, 1e6 * 2**-53),
    "sum that cancels": (
        lambda x: jnp.dot(x * jnp.array([1e6, -1e6]), jnp.ones(2)),
        1.0,
        1e6 * 2**-53,
    ),
    "moves": (lambda x: jnp.maximum(-x, 3.0), 2.0, 0.0),
}


@pytest.mark.parametrize(("function", "x", "size"), ROUNDED.values(), ids=ROUNDED)
def test_spread_is_of_the_size_of_the_rounding_error(function, x, size):
    _, spread = run_rounded(function, np.float32(x))
    assert size / 4 <= spread <= 4 * size


def test_constants_stand_for_all_that_round_to_them():
    spread = {
        constant: run_rounded(lambda x, c=constant: c * x, np.float32(1))[1]
        for constant in (0.1, 0.375, 12345.0)
    }
    assert 1e-9 < spread[0.1] < 1e-8
    assert spread[0.375] < 1e-15 and spread[12345.0] < 1e-11
    without = run_rounded(lambda x: 0.1 * x, np.float32(1), constants=False)[1]
    assert without < 1e-16


def test_arguments_may_be_rounded_too():
    _, spread = run_rounded(lambda x: -x, np.float32(1), arguments=True)
    assert 1e-17 < spread < 2**-52


def test_literals_of_python_have_a_type():
    """JAX keeps a bool as it is; so did jnp.select and jax.scipy.special.gamma."""

    def function(x):
        chosen = jax.lax.select_n(x > 1, jnp.full(3, False), (x > 0) & True)
        return jnp.where(chosen | False, x * 2, x + 3) * True

    exact = np.where(X > 1, 2 * X.astype(float), X.astype(float) + 3)
    np.testing.assert_allclose(run(function, X), exact, rtol=1e-15)


# What float32 decides, from numbers that it rounds; every sum of the chosen by NumPy.
TENTHS = np.float32(0.1) * np.arange(1, 10, dtype=np.float32)
DECIDED = {
    "indices of a linspace": (
        lambda x, b: x[jnp.linspace(0, 2, 3).astype(int)],
        lambda x, b: x,
    ),
    "sevenths": (
        lambda x, b: x[(jnp.arange(3) / 7 * 7).astype(int)],
        lambda x, b: x[
            (np.arange(3, dtype=np.float32) / np.float32(7) * 7).astype(int)
        ],
    ),
    "floor": (
        lambda x, b: x * jnp.sum(jnp.floor(b / 0.1)),
        lambda x, b: x * np.floor(b / np.float32(0.1)).sum(),
    ),
    "equality": (
        lambda x, b: x * jnp.sum(b * 3 == b + b + b),
        lambda x, b: x * np.sum(b * 3 == b + b + b),
    ),
    "share": (
        lambda x, b: jnp.sum(jnp.where(b / jnp.sum(b) >= 0.2, b, 0)) * x,
        lambda x, b: np.sum(np.where(b / b.sum() >= np.float32(0.2), b, 0)) * x,
    ),
    "order": (
        lambda x, b: x * b[jnp.argsort(b[::-1] * 7)[0]],
        lambda x, b: x * b[np.argsort(b[::-1] * 7, kind="stable")[0]],
    ),
    "median": (
        lambda x, b: jnp.median(x) + jnp.median(b),
        lambda x, b: np.median(x) + np.median(b),
    ),
    "percentile": (
        lambda x, b: jnp.percentile(x, 30) + jnp.percentile(b, 25),
        lambda x, b: np.percentile(x.astype(float), 30) + np.percentile(b, 25),
    ),
    "remainder": (
        lambda x, b: x * jnp.sum(b % 0.1 > 0.05),
        lambda x, b: x * np.sum(np.fmod(b, np.float32(0.1)) > np.float32(0.05)),
    ),
    "histogram": (
        lambda x, b: x * jnp.histogram(b, jnp.linspace(0, 1, 11))[0][:3],
        lambda x, b: (
            x * np.histogram(b, np.linspace(0, 1, 11, dtype=np.float32))[0][:3]
        ),
    ),
}


@pytest.mark.parametrize(("function", "meaning"), DECIDED.values(), ids=DECIDED)
@pytest.mark.slow
def test_what_no_parameter_moves_decides_as_in_float32(function, meaning):
    exact, spread = run_rounded(function, X, TENTHS, params=range(1))
    np.testing.assert_allclose(exact, meaning(X, TENTHS), rtol=3e-7)
    # No decision flips where the rest is rounded at random.
    assert np.all(spread <= 1e-6)
    np.testing.assert_array_equal(run(function, X, TENTHS, params=range(1)), exact)


# Each is at a jump, a pole or the edge of a domain, and comes there without rounding.
AT_EDGES = {
    "comparison": (lambda x: jnp.where(2 * x >= 3, x, 5 * x), [1.5]),
    "index": (lambda x: jnp.arange(9.0)[(2 * x + 1).astype(int)], [1.0, 2.0]),
    "equality": (lambda x: jnp.where(x / 0.5 == 6, x, 1.0), [3.0]),
    "root": (lambda x: jnp.sqrt(1 - x * x), [1.0, -1.0]),
    "angle": (lambda x: jnp.arccos(x / jnp.sqrt(x * x)), [3.0, -5.0]),
    "logarithm": (lambda x: jnp.log(jnp.exp(x * 0)), [3.0]),
    "norm": (lambda x: jnp.sqrt(25 - jnp.sum(x**2)), [3.0, 4.0]),
    "product": (lambda x: jnp.sqrt(jnp.dot(x, x) - 25), [3.0, 4.0]),
    "sum": (lambda x: jnp.floor(jnp.cumsum(x)), [0.5, 1.5, 1.0]),
    "order of a polygamma": (
        jax.grad(lambda x: jnp.sum(jax.scipy.special.polygamma(1, x))),
        [2.5],
    ),
}


@pytest.mark.parametrize(("function", "x"), AT_EDGES.values(), ids=AT_EDGES)
@pytest.mark.slow
def test_what_is_exact_is_not_rounded_where_a_decision_depends_on_it(function, x):
    exact, spread = run_rounded(function, np.array(x, np.float32))
    np.testing.assert_allclose(exact, function(np.array(x, np.float32)), rtol=1e-6)
    assert np.all(spread <= 1e-13)


def test_what_is_not_exact_still_decides_at_random():
    """The largest of two quotients that are equal but for their rounding."""

    def function(x):
        return jnp.where(x[0] / x[1] >= (x[0] * x[2]) / (x[1] * x[2]), 1.0, 0.0)

    _, spread = run_rounded(function, np.array([1, 3, 7], np.float32))
    assert spread == 1
