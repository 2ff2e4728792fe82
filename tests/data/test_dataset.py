"""A data set is a pytree, and rows are taken from all of its leaves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl

ROWS = np.array([2, 0, 2])


@pytest.mark.parametrize(
    "rows, expected",
    [
        (ROWS, [2, 0, 2]),
        (jnp.asarray(ROWS), [2, 0, 2]),
        (np.array([True, False, True, False]), [0, 2]),
        (slice(1, 3), [1, 2]),
        (np.array([], int), []),
    ],
    ids=["NumPy", "JAX", "mask", "slice", "none"],
)
def test_rows_are_taken_in_their_order(rows, expected):
    dataset = {"x": np.arange(8.0).reshape(4, 2), "y": (jnp.arange(4),)}
    taken = fl.data.take(dataset, rows)
    assert isinstance(taken["x"], jax.Array)
    assert taken["x"][:, 0].tolist() == [2 * row for row in expected]
    assert taken["y"][0].tolist() == expected


def test_rows_of_keys_are_keys():
    keys = jax.random.split(jax.random.key(0), 4)
    taken = fl.data.take(keys, ROWS)
    assert jnp.array_equal(jax.random.key_data(taken), jax.random.key_data(keys)[ROWS])


def test_a_data_set_is_a_pytree_with_named_leaves():
    dataset = fl.Dataset(jnp.arange(4), jnp.arange(4.0))
    taken = jax.jit(fl.data.take)(dataset, ROWS)
    assert isinstance(taken, fl.Dataset)
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(taken)]
    assert paths == [".inputs", ".targets"]
