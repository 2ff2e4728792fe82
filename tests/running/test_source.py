"""How much is taken at a time."""

from funclearn.running._source import BLOCK, batches_at_once


def test_a_block_has_at_least_one_batch_and_no_more_than_fit():
    assert batches_at_once(BLOCK // 3) == 3
    assert batches_at_once(2 * BLOCK) == 1
    assert batches_at_once(0) == BLOCK  # rows without a byte
