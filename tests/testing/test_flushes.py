"""Which bytes have reached the disk, and what a loss of power takes of the others."""

import os
import random
import sys
import tempfile
from pathlib import Path

import pytest

from funclearn.testing._flushes import damaged, sees_flushes, unflushed
from funclearn.testing._watching import Growth


def test_a_flush_is_seen(tmp_path):
    if not sees_flushes(tmp_path):
        pytest.skip("this system does not show which files are flushed")
    file = tmp_path / "file"
    for mode in ("wb", "ab"):
        with open(file, mode) as opened:
            opened.write(b"some")
            opened.flush()
            assert unflushed(file)
            os.fsync(opened.fileno())
            assert not unflushed(file)
    assert not unflushed(tmp_path / "nothing")


def test_nothing_is_seen_on_other_systems(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not sees_flushes(tmp_path)


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="has no tmpfs")
def test_nothing_is_seen_in_memory(tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        assert not sees_flushes(Path(folder))


def ways(tmp_path, growth, new):
    """All that can become of ten bytes."""
    found = {}
    for seed in range(40):
        path = tmp_path / "file"
        path.write_bytes(b"0123456789")
        how = damaged(path, growth, new, random.Random(seed))
        found[how] = path.read_bytes() if path.exists() else None
    return found


def test_a_new_file_may_be_missing_empty_or_cut(tmp_path):
    cut = {"cut to 5 of its 10 bytes": b"01234", "empty": b""}
    assert ways(tmp_path, Growth(0, 10), True) == {**cut, "missing": None}
    assert ways(tmp_path, Growth(0, 10), False) == cut


def test_earlier_bytes_stay(tmp_path):
    left = ways(tmp_path, Growth(6, 10), True)
    cuts = {
        "cut to 8 of its 10 bytes": b"01234567",
        "cut to 6 of its 10 bytes": b"012345",
    }
    assert left == cuts


def test_nothing_is_taken_from_what_did_not_grow(tmp_path):
    assert ways(tmp_path, Growth(12, 10), False) == {None: b"0123456789"}
