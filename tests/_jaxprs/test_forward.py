"""The identity that forward mode passes and reverse mode does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn import _jaxprs

one_way = _jaxprs.one_way("passed_in_a_test", "only forwards")
X = jnp.array([1.0, 2.0, 3.0])


def function(x):
    return jnp.sum(one_way(x) ** 2)


@pytest.mark.parametrize("within", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_it_is_the_identity_with_its_derivative(within):
    np.testing.assert_array_equal(within(one_way)(X), X)
    tangent = jnp.array([0.0, 1.0, -1.0])
    value, slope = within(lambda x, t: jax.jvp(function, (x,), (t,)))(X, tangent)
    assert (value, slope) == (14.0, -2.0)
    np.testing.assert_array_equal(within(jax.jacfwd(function))(X), 2 * X)
    rows = jnp.stack([X, -X])
    np.testing.assert_array_equal(within(jax.vmap(one_way))(rows), rows)


def test_reverse_mode_is_refused():
    with pytest.raises(ValueError, match="only forwards"):
        jax.grad(function)(X)
    with pytest.raises(ValueError, match="only forwards"):
        jax.vmap(jax.grad(function))(jnp.stack([X]))
