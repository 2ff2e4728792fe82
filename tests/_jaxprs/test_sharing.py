"""Programs that compute nothing twice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn import _jaxprs

X = jnp.arange(1.0, 7).reshape(2, 3)


def names(function, *arguments):
    jaxpr = jax.make_jaxpr(_jaxprs.without_repetition(function))(*arguments)
    return [equation.primitive.name for equation in jaxpr.eqns]


def normalised(x):
    """Divided by a sum, which is written down twice, in a call and outside."""
    total = jax.jit(jnp.sum)
    unused = jnp.sin(x)
    del unused
    return x / jnp.where(total(x) == 0, 1, total(x)), 2 * x / jnp.where(
        jnp.sum(x) == 0, 1, jnp.sum(x)
    )


def by_rows(x):
    return x / jnp.sum(x, axis=1, keepdims=True), x**2 / jnp.sum(
        x, axis=1, keepdims=True
    )


def test_everything_is_computed_once_and_only_if_it_is_needed():
    found = names(normalised, X)
    assert sorted(found) == sorted(
        ["reduce_sum", "eq", "select_n", "broadcast_in_dim", "mul", "div", "div"]
    )
    assert names(by_rows, X).count("reduce_sum") == 1


@pytest.mark.parametrize("function", [normalised, by_rows])
def test_results_are_the_same(function):
    found = jax.jit(_jaxprs.without_repetition(function))(X)
    for one, other in zip(found, function(X), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_what_differs_is_not_taken_for_the_same():
    def function(x, key):
        both = jnp.sum(x, axis=0), jnp.sum(x, axis=1), x + 1, x + 1.5, x.astype(int) + 1
        draws = [jax.random.normal(one) for one in jax.random.split(key)]
        return *both, *draws, jax.lax.fori_loop(0, 3, lambda n, x: 2 * x, x)

    key = jax.random.key(0)
    found = _jaxprs.without_repetition(function)(X, key)
    for one, other in zip(found, function(X, key), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_what_has_an_effect_is_kept(capfd):
    def function(x):
        jax.debug.print("seen")
        jax.debug.print("seen")
        return x

    _jaxprs.without_repetition(function)(X)
    jax.effects_barrier()
    assert capfd.readouterr().out.count("seen") == 2


def test_it_is_differentiated_and_mapped():
    def loss(x):
        return sum(map(jnp.sum, _jaxprs.without_repetition(normalised)(x)))

    np.testing.assert_allclose(jax.grad(loss)(X), 0, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(loss)(jnp.stack([X, 2 * X])), 3, rtol=1e-6)
