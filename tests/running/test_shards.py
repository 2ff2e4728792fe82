"""Folders of shards, whole and broken."""

import numpy as np
import pytest

from funclearn.running._shards import open_shards
from tests.running.running_setting import DATA
from tests.running.streams import write_shards


@pytest.fixture
def folder(tmp_path):
    return write_shards(tmp_path / "shards", DATA, (5, 6))


def test_they_come_in_the_order_of_their_names_and_are_not_read(folder):
    shards = open_shards(folder)
    assert [len(shard.inputs) for shard in shards] == [5, 6]
    assert all(isinstance(leaf, np.memmap) for shard in shards for leaf in shard)
    together = np.concatenate([shard.targets for shard in shards])
    np.testing.assert_array_equal(together, DATA.targets)


def test_weights_belong_to_all_or_none(folder):
    np.save(folder / "weights-a.npy", np.ones(5, np.float32))
    with pytest.raises(ValueError, match=r"train lacks .*weights-b\.npy"):
        open_shards(folder)
    np.save(folder / "weights-b.npy", np.ones(6, np.float32))
    assert len(open_shards(folder)[1].weights) == 6


def test_weights_that_no_mean_can_be_taken_with_are_refused(folder):
    def write(first, second):
        for name, weights in (("a", [first] * 5), ("b", [second] * 6)):
            np.save(folder / f"weights-{name}.npy", np.array(weights, np.float32))

    write(0, 1)  # a shard may be padding
    open_shards(folder)
    write(1, -1)
    with pytest.raises(ValueError, match=r"train\['b'\]\.weights must be finite and"):
        open_shards(folder)
    write(0, 0)
    with pytest.raises(ValueError, match=r"train\.weights must not all be 0"):
        open_shards(folder)


def shorter(path):
    path.write_bytes(path.read_bytes()[:-8])


BROKEN = {
    "missing": (lambda path: path.unlink(), r"train lacks .*targets-b\.npy"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be mapped"),
    "cut": (shorter, "cannot be mapped"),
    "objects": (lambda path: np.save(path, np.array([{}] * 6)), "cannot be mapped"),
    "no rows": (lambda path: np.save(path, np.empty(0, "f4")), "mapped|have rows"),
    "a number": (lambda path: np.save(path, np.array(1.0)), r"have rows; got \(\)"),
    "fewer": (lambda path: np.save(path, np.ones(5, "f4")), "as many rows in all"),
    "a shape": (lambda path: np.save(path, np.ones((6, 2), "f4")), "rows of one type"),
    "a dtype": (lambda path: np.save(path, np.ones(6)), "rows of one type"),
}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_broken_one_is_named(folder, damage):
    breaks, message = BROKEN[damage]
    breaks(folder / "targets-b.npy")
    with pytest.raises(ValueError, match=message):
        open_shards(folder)


def test_a_folder_without_any_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"inputs-NAME\.npy and targets-NAME\.npy"):
            open_shards(path)
