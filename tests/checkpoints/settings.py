"""States that are saved in tests, and how their bits are compared."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl


def network(step=0, optimizer=None, key=None):
    """A state of nine leaves, other numbers for every step."""
    optimizer = optimizer or optax.adam(1e-3)
    params = {"w": jnp.full((3, 2), 0.5 + step), "b": jnp.arange(2.0) / (step + 1)}
    key = jax.random.key(step) if key is None else key
    state = fl.init_state(key, params, optimizer)
    return state._replace(step=jnp.asarray(step, jnp.int32))


def plain(step=0):
    """NumPy arrays, which JAX is not asked for."""
    rng = np.random.default_rng(step)
    return {"w": rng.normal(size=5).astype(np.float32), "n": np.arange(3) + step}


def bits(leaf):
    """A leaf's type, dtype, shape and bytes."""
    kind = jax.Array if isinstance(leaf, jax.Array) else type(leaf)
    dtype = str(getattr(leaf, "dtype", ""))
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    array = np.asarray(leaf)
    return kind, dtype, array.dtype, array.shape, array.tobytes()


def assert_same(got, expected):
    """That two pytrees agree in structure, classes and all bits."""
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert bits(one) == bits(other)
