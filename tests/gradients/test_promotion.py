"""Programs carried out in float64, and how far rounding moves them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.gradients import _promotion
from funclearn.gradients._program import program_of

X = np.array([0.3, -1.7, 2.9], np.float32)


def run(function, *args):
    program = program_of(function, *map(jnp.asarray, args), x64=False)
    with jax.enable_x64(True):
        return np.asarray(_promotion.run(program, *args))


def run_rounded(function, *args, **options):
    program = program_of(function, *map(jnp.asarray, args), x64=False)
    with jax.enable_x64(True):
        found = _promotion.run_rounded(program, *args, **options)
        return tuple(map(np.asarray, found))


@jax.custom_jvp
def cubed(x):
    return x**3


cubed.defjvp(lambda primals, tangents: (cubed(*primals), 0 * tangents[0]))

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
    "reduce_precision": (lambda x: jax.lax.reduce_precision(x, 5, 2), lambda x: x),
    "complex": (lambda x: jnp.abs(jnp.fft.fft(x)), lambda x: np.abs(np.fft.fft(x))),
    "derivative": (jax.grad(lambda x: jnp.sum(x**3)), lambda x: 3 * x**2),
}


@pytest.mark.parametrize(("function", "meaning"), SAME.values(), ids=SAME)
def test_float32_programs_mean_mathematics(function, meaning):
    exact = np.asarray(meaning(X.astype(float)))
    np.testing.assert_allclose(run(function, X), exact, rtol=1e-14, atol=1e-15)


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
