"""Rows that are read out of files."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn.running._gathering import (
    aligned,
    check_digits,
    gather,
    sample,
    types_of,
)

ROWS = np.arange(22, dtype=np.float32).reshape(11, 2)
SHARDS = [fl.Dataset(ROWS[:4], np.arange(4)), fl.Dataset(ROWS[4:], np.arange(4, 11))]
ENDS = np.array([4, 11])


@pytest.mark.parametrize("rows", [[], [0], [3, 4], [4, 10], [0, 2, 3, 5, 9]])
def test_rows_come_from_the_shards_that_hold_them(rows):
    got = gather(SHARDS, ENDS, np.array(rows, int), 6)
    np.testing.assert_array_equal(got.inputs[: len(rows)], ROWS[rows])
    np.testing.assert_array_equal(got.targets[: len(rows)], rows)
    assert got.inputs.shape == (6, 2) and isinstance(got.inputs, jax.Array)
    types = types_of(SHARDS, 6)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), types) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), got
    )


@pytest.mark.parametrize("dtype", ["f8", ">f4", ">f8", "f2", "u1", "i8", ">i2", "?"])
def test_dtypes_become_those_that_data_in_memory_get(dtype):
    leaf = ROWS.astype(dtype)
    got = gather([leaf], np.array([11]), np.array([1, 5]), 3)
    whole = fl.data.as_dataset("train", leaf)
    assert got.dtype == jnp.asarray(whole).dtype
    np.testing.assert_array_equal(got[:2], jnp.asarray(whole)[jnp.array([1, 5])])


def test_what_does_not_fit_is_refused_as_in_memory():
    with pytest.raises(ValueError, match="train must fit into JAX's int32"):
        gather([np.full(3, 2**40)], np.array([3]), np.array([1]), 1)


def test_arrays_that_are_read_are_not_copied_to_the_device():
    memory = aligned((1000, 3), np.dtype(np.float32))
    memory[:] = 1
    kept = jax.device_put(memory)
    memory[5] = 2  # seen through the array of JAX's
    assert kept[5, 0] == 2


def test_few_rows_tell_data_apart_where_reading_all_takes_long(monkeypatch):
    from funclearn.running import _gathering

    assert [len(leaf) for leaf in sample(SHARDS).targets] == [4, 7]
    monkeypatch.setattr(_gathering, "_SAMPLE", 24)
    assert [len(leaf) for leaf in sample(SHARDS).inputs] == [1, 2]
    # fingerprints tell lengths apart too
    some = fl.checkpoints.fingerprint(sample(SHARDS))
    assert some != fl.checkpoints.fingerprint(sample(SHARDS[::-1]))


def test_digits_are_judged_by_all_rows_and_not_by_those_of_a_batch():
    hours = fl.Dataset(19000 + np.arange(400) / 24, np.arange(400))
    check_digits([hours])
    gather([hours], np.array([400]), np.array([7, 8]), 2)  # no warning
    with pytest.warns(UserWarning, match=r"train\.inputs loses digits"):
        check_digits([hours._replace(inputs=hours.inputs[:200] * 1e5 % 1 + 1e9)] * 2)
