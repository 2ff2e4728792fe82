"""Arrays in the host's memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn._lanes import _memory as memory

KEYS = jax.random.split(jax.random.key(0), 3)


@pytest.mark.parametrize(
    "array", [jnp.arange(6.0).reshape(3, 2), jnp.array([True, False]), KEYS]
)
def test_what_goes_to_the_host_comes_back(array):
    row = jax.typeof(array[0])
    rows = memory.empty(len(array), row)
    rows[:] = memory.to_host(array)
    assert rows.ctypes.data % 64 == 0
    (back,) = memory.adopt([rows], [row.dtype])
    assert back.dtype == array.dtype
    assert bool(jnp.all(back == array))


def test_rows_are_taken_by_their_data():
    restore = memory.restorer(KEYS.dtype)
    picked = restore(memory.to_host(KEYS)[[2, 0]])
    assert bool(jnp.all(picked == KEYS[jnp.array([2, 0])]))


def test_memory_is_that_of_the_row():
    rows = memory.empty(5, jax.typeof(jnp.zeros((2, 3), jnp.bfloat16)))
    assert rows.shape == (5, 2, 3)
    assert rows.dtype == np.dtype(jnp.bfloat16)
