"""Numbers of fewer than 32 bits are found, and widened."""

import jax
import jax.numpy as jnp
import pytest

from funclearn.diagnosis._precision import half_precision, in_single_precision


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_found_and_widened(dtype):
    tree = {"a": jnp.ones(2, jnp.float32), "b": jnp.ones(2, dtype), "n": jnp.arange(2)}
    assert half_precision(tree) == dtype
    wide = in_single_precision(tree)
    assert [leaf.dtype for leaf in wide.values()] == ["float32", "float32", "int32"]
    assert half_precision(wide) is None


def test_keys_and_integers_are_left_alone():
    tree = jax.random.key(0), jnp.arange(3, dtype=jnp.int8), 1.0
    assert half_precision(tree) is None
    same = jax.tree.map(
        lambda one, other: one is other, in_single_precision(tree), tree
    )
    assert all(same)
