"""The batches of mapped rows."""

import jax
import numpy as np
import pytest

from funclearn.running import _mapped
from funclearn.running._mapped import Rows
from funclearn.running._source import Block
from tests.running.running_setting import DATA

KEY = jax.random.key(5)
ORDER = np.asarray(
    jax.random.permutation(jax.random.fold_in(jax.random.fold_in(KEY, 1), 2), 11)
)


def batches(source, start=0, wanted=1):
    """All batches of the third epoch, as the targets of their rows."""
    for part in source.parts(KEY, 2, start, lambda: wanted):
        if isinstance(part, Block):
            kept = [part.rows[: part.number]]
        else:
            kept = [part.full, part.left]
        for rows in kept:
            if rows is not None:
                targets = np.asarray(part.chunk.targets)[np.asarray(rows)]
                yield from targets.reshape(-1, targets.shape[-1])


@pytest.mark.parametrize("wanted", [1, 2, 100])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 6, 10, 11])
def test_they_are_those_of_fit_from_any_on(batch_size, wanted):
    shards = [jax.tree.map(np.asarray, DATA)]
    source = Rows(shards, batch_size, drawn=False)
    starts = range(0, 11, batch_size)
    expected = [DATA.targets[ORDER[at : at + batch_size]] for at in starts]
    assert source.n_batches == len(expected)
    looped = 11 // batch_size
    for start in range(looped if looped > 1 else 1):
        got = list(batches(source, start, wanted))
        assert len(got) == len(expected) - start
        jax.tree.map(np.testing.assert_array_equal, got, expected[start:])


def test_a_block_takes_no_more_than_its_room(monkeypatch):
    shards = [jax.tree.map(np.asarray, DATA)]  # rows of eight bytes
    monkeypatch.setattr("funclearn.running._source.BLOCK", 8 * 2 * 3)
    source = Rows(shards, 2, drawn=False)
    parts = source.parts(KEY, 2, 0, lambda: 9)
    blocks = [part for part in parts if isinstance(part, Block)]
    assert [(block.number, block.rows.shape) for block in blocks] == [
        (3, (3, 2)),
        (2, (3, 2)),
    ]
    assert _mapped.batches_at_once(49) == 1 == _mapped.batches_at_once(0) // 48


def test_a_batch_of_more_rows_than_there_are_is_refused():
    with pytest.raises(ValueError, match="batch_size must be at most"):
        Rows([jax.tree.map(np.asarray, DATA)], 12, drawn=False)
