"""The derivatives of the two textbook functions against autodiff and the source."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn import analytic


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


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "bool"])
def test_integers_are_their_numbers(dtype):
    values = np.array([1, 100, 120]).astype(dtype)
    floats = [jnp.asarray(values, jnp.float32) for _ in range(3)]
    for function, count in (
        (analytic.sine_of_squares, 2),
        (analytic.tanh_log_ratio, 3),
    ):
        for found, wanted in zip(
            function(*[jnp.asarray(values)] * count),
            function(*floats[:count]),
            strict=True,
        ):
            np.testing.assert_array_equal(found, wanted)
