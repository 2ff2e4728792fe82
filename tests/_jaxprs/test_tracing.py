"""What every run needs of JAX's inside."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn import _jaxprs

X = jnp.array([0.5, -1.0, 2.0])


def traced(function, *args):
    return jax.make_jaxpr(function)(*args)


def test_constants_become_arguments_and_are_let_go():
    """What a jaxpr held on to would leak, were it a tracer."""
    captured = jnp.arange(5.0)
    alive = weakref.ref(captured)
    jaxpr, constants = _jaxprs.split_constants(traced(lambda x: x[:1] * captured, X))
    (result,) = _jaxprs.eval_jaxpr(jaxpr, (), *constants, X)
    np.testing.assert_array_equal(result, 0.5 * np.arange(5))
    del captured, constants, result
    gc.collect()
    assert alive() is None


def test_keys_are_told_from_numbers():
    assert _jaxprs.is_key(jax.random.key(0).dtype)
    assert not _jaxprs.is_key(jax.random.PRNGKey(0).dtype)
    assert not _jaxprs.is_key(np.dtype(float))


def test_there_is_nothing_else():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = _jaxprs.nothing


def test_a_function_is_taken_apart_from_what_it_closed_over():
    def function(scale, captured):
        def inner(x, y):
            return {"product": scale * captured * x, "same": y}

        call, values, types, jaxpr = _jaxprs.hoisted(inner, X, 1.0)
        assert types["product"].shape == X.shape
        assert jaxpr.outvars[1] is jaxpr.invars[1]
        # Of other values than it was traced with, and other devices or lanes too.
        return call([2 * value for value in values], X, 3.0), len(values)

    (result, n_values) = function(jnp.float32(2), jnp.arange(3.0))
    assert n_values == 2 and result["same"] == 3
    np.testing.assert_allclose(result["product"], 4 * 2 * np.arange(3.0) * X)
    slope = jax.grad(lambda scale: function(scale, X)[0]["product"].sum())(2.0)
    np.testing.assert_allclose(slope, 4 * np.sum(np.square(X)), rtol=1e-6)
