"""Rows are taken from all leaves of a data set."""

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
    dataset = {"x": np.arange(8, dtype="f4").reshape(4, 2), "y": (jnp.arange(4),)}
    taken = fl.data.take(dataset, rows)
    assert isinstance(taken["x"], jax.Array)
    assert taken["x"][:, 0].tolist() == [2 * row for row in expected]
    assert taken["y"][0].tolist() == expected


def test_rows_of_keys_are_keys():
    keys = jax.random.split(jax.random.key(0), 4)
    taken = fl.data.take(keys, ROWS)
    assert jnp.array_equal(jax.random.key_data(taken), jax.random.key_data(keys)[ROWS])


def test_rows_that_jax_would_narrow_stay_numpys_until_they_are_traced():
    people = np.array([7_794_798_739, 7_874_965_825, -5])
    taken = fl.data.take({"n": people, "x": people / 3}, jnp.array([1, 0]))
    assert taken["n"].dtype == np.int64 and taken["x"].dtype == np.float64
    assert taken["n"].tolist() == [7_874_965_825, 7_794_798_739]
    with pytest.raises(ValueError, match=r"dataset\['n'\] must fit into JAX's int32"):
        jax.jit(lambda rows: fl.data.take({"n": people}, rows))(jnp.array([0]))
    small = jax.jit(lambda rows: fl.data.take(people[2:], rows))(jnp.array([0]))
    assert small.tolist() == [-5]


def test_with_64_bits_rows_are_jaxs(float64):
    taken = fl.data.take(np.array([7_794_798_739, 1]), np.array([0]))
    assert isinstance(taken, jax.Array) and taken.tolist() == [7_794_798_739]


def test_rows_that_do_not_exist_are_not_taken():
    padded = fl.data.Padded(jnp.arange(4), jnp.arange(4), jnp.ones(4), 3, True)
    for rows, expected in ((slice(None), [0, 1, 2]), (np.array([-1, 0]), [2, 0])):
        taken = fl.data.take(padded, rows)
        assert type(taken) is fl.Dataset and taken.weights is None
        assert taken.inputs.tolist() == expected
