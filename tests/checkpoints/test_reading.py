import errno
import io
import os
import shutil

import numpy as np
import pytest

from benchmarks.damage import DAMAGES, OUTCOMES, damaged
from funclearn.checkpoints import CheckpointError, restore, save
from funclearn.checkpoints import _reading as reading
from funclearn.checkpoints._errors import Damage
from tests.checkpoints.settings import assert_same, plain


@pytest.fixture
def file(tmp_path):
    return save(tmp_path, plain(1), step=1)


def test_numbers_are_read_that_are_wanted_and_all_are_checked(file):
    with reading.opened(file, 1) as checkpoint:
        assert checkpoint.numbers() == {}
        (name,) = found = checkpoint.numbers({"state['w']"})
        np.testing.assert_array_equal(found[name], plain(1)["w"])
    content = bytearray(file.read_bytes())
    for position in (-1, -25):  # in either leaf, whether it is wanted or not
        other = bytearray(content)
        other[position] ^= 1
        file.write_bytes(other)
        with reading.opened(file, 1) as checkpoint:
            for wanted in ((), ("state['w']",)):
                with pytest.raises(Damage, match="the checksum of state"):
                    checkpoint.numbers(wanted)


def test_a_leaf_of_many_chunks_is_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_CHUNK", 7)
    file = save(tmp_path, plain(1), step=1)
    with reading.opened(file, 1) as checkpoint:
        assert checkpoint.numbers() == {}


def test_every_byte_counts(file):
    """One bit flipped in every second: the same bits, or no checkpoint."""
    content, spaces = file.read_bytes(), 0
    for position in range(0, len(content), 2):
        other = bytearray(content)
        other[position] ^= 1 << position % 8
        file.write_bytes(other)
        try:
            assert_same(restore(file.parent, plain(), step=1), plain(1))
            spaces += 1  # behind the header, for another kind of space
        except CheckpointError:
            pass
    assert spaces < 8


def test_no_damage_is_silent(capfd):
    outcomes = damaged(6 * len(DAMAGES), seed=1)
    assert set(outcomes) == set(OUTCOMES) and outcomes["WRONG"] == 0
    assert outcomes["older with warning"] > 20 and outcomes["refused"] > 15


def test_a_checkpoint_under_another_name_is_damage(file):
    shutil.copy(file, file.with_name("checkpoint-000000000002.safetensors"))
    with pytest.raises(Damage, match="step 1 under the name of step 2"):
        with reading.opened(file.with_name("checkpoint-000000000002.safetensors"), 2):
            pass


def test_what_is_no_file_is_damage(tmp_path):
    path = tmp_path / "checkpoint-000000000001.safetensors"
    path.mkdir()
    with pytest.raises(Damage, match="it is no file"):
        with reading.opened(path, 1):
            pass
    if hasattr(os, "mkfifo"):
        path.rmdir()
        os.mkfifo(path)  # opening it would wait for somebody to write
        with pytest.raises(Damage, match="it is no file"):
            with reading.opened(path, 1):
                pass


class Broken(io.FileIO):
    """A file on a disk that has a bad block behind a position."""

    good = 0

    def read(self, size: int | None = -1):
        if self.tell() + (size or 0) > self.good:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)

    def readinto(self, buffer):
        if self.tell() + len(buffer) > self.good:
            raise OSError(errno.EIO, "Input/output error")
        return super().readinto(buffer)


@pytest.mark.parametrize("missing", [1, 10**6])
def test_what_the_disk_cannot_read_is_damage(file, missing):
    size = file.stat().st_size
    with Broken(file) as broken:
        broken.good = size - missing
        with pytest.raises(Damage, match="it cannot be read"):
            reading.Opened(broken, size, file.parent).numbers()


def test_a_file_that_shrinks_while_it_is_read_is_damage(file):
    size = file.stat().st_size
    with io.FileIO(file) as whole:
        checkpoint = reading.Opened(whole, size, file.parent)
        os.truncate(file, size - 1)
        with pytest.raises(Damage, match="its end is missing"):
            checkpoint.numbers()


def test_a_head_is_read_once(file, monkeypatch):
    first = reading.head_of(file.parent, 1)
    assert first.step == 1 and reading.head_of(file.parent, 1) is first
    save(file.parent, plain(1), step=1, value=2.0)
    assert reading.head_of(file.parent, 1).value == 2.0
    with pytest.raises(FileNotFoundError):
        reading.head_of(file.parent, 2)
