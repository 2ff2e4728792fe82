"""The order of the rows, drawn by key and epoch."""

import jax
import numpy as np
import pytest

from funclearn.running._orders import order_by_shard, order_of_all

KEY = jax.random.key(3)


def test_that_of_all_rows_is_the_documented_one():
    key = jax.random.fold_in(jax.random.fold_in(KEY, 1), 7)
    order = order_of_all(KEY, 7, 11)
    np.testing.assert_array_equal(order(0, 11), jax.random.permutation(key, 11))
    np.testing.assert_array_equal(order(3, 5), order(0, 11)[3:5])


@pytest.mark.parametrize("epoch", range(3))
def test_shards_stay_together_and_every_row_comes_once(epoch):
    lengths = np.array([4, 1, 6])
    order = order_by_shard(KEY, epoch, lengths)
    rows = order(0, 11)
    np.testing.assert_array_equal(np.sort(rows), np.arange(11))
    shard = np.repeat([0, 1, 2], lengths)[rows]
    assert (np.diff(shard) != 0).sum() == 2
    for start in range(11):
        for stop in range(start, 12):
            np.testing.assert_array_equal(order(start, stop), rows[start:stop])


def test_epochs_differ_and_can_be_drawn_again():
    lengths = np.array([40, 60])
    drawn = [order_by_shard(KEY, epoch, lengths)(0, 100) for epoch in (0, 1, 0)]
    assert not np.array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])
