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
