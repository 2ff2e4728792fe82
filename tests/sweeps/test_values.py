"""The values that a sweep goes through under one name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.sweeps import _values

KEYS = jax.random.split(jax.random.key(0), 3)


@pytest.mark.parametrize(
    "values, number",
    [
        (jnp.ones(4), 4),
        ({"w": np.ones((3, 2)), "b": jnp.ones(3)}, 3),
        (KEYS, 3),
        (_values.Static(["sgd", "adam"]), 2),
    ],
)
def test_length(values, number):
    assert _values.length("x", values) == number


def test_pick():
    assert _values.pick(_values.Static(["sgd", "adam"]), 1) == "adam"
    picked = _values.pick({"w": np.arange(6).reshape(3, 2)}, 2)
    np.testing.assert_array_equal(picked["w"], [4, 5])


def test_labels_are_numbers_names_or_positions():
    np.testing.assert_array_equal(_values.labels("x", jnp.arange(3.0)), [0, 1, 2])
    static = _values.labels("x", _values.Static(["sgd", 3]))
    assert static.tolist() == ["sgd", "3"]
    np.testing.assert_array_equal(_values.labels("x", np.ones((3, 2))), [0, 1, 2])
    np.testing.assert_array_equal(_values.labels("x", KEYS), [0, 1, 2])


def test_only_an_array_of_numbers_is_numeric():
    assert _values.is_numeric(jnp.ones(3), ndim=1)
    assert _values.is_numeric(np.ones((3, 2)), ndim=2)
    for values in (jnp.ones((3, 2)), KEYS, [1, 2], {"w": np.ones(3)}):
        assert not _values.is_numeric(values, ndim=1)


def test_static_values_are_no_leaves():
    assert jax.tree.leaves({"x": _values.Static(["sgd"])}) == []
