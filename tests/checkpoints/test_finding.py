import errno
import os

import pytest

from funclearn.checkpoints import (
    CheckpointError,
    CheckpointWarning,
    latest,
    restore,
    save,
)
from funclearn.checkpoints import _finding as finding
from funclearn.checkpoints._head import FORMAT
from tests.checkpoints.settings import assert_same, plain


@pytest.fixture
def paths(tmp_path):
    return [save(tmp_path, plain(step), step=step) for step in range(3)]


def spoil(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_the_newest_whole_one_is_found(paths):
    (folder,) = {path.parent for path in paths}
    saved = latest(folder)
    assert saved and saved.path == paths[2]
    spoil(paths[2])
    paths[1].write_bytes(b"")
    with pytest.warns(CheckpointWarning) as told:
        saved = latest(folder)
    assert saved and saved.step == 0 and saved.path == paths[0]
    first, second = (str(one.message) for one in told)
    assert first.startswith(f"{paths[2]} is damaged and was passed over: the checksum")
    assert second.startswith(f"{paths[1]} is damaged and was passed over: its 0 bytes")
    with pytest.warns(CheckpointWarning):
        assert_same(restore(folder, plain()), plain(0))


def test_a_damaged_one_that_is_asked_for_is_an_error(paths):
    spoil(paths[1])
    with pytest.raises(CheckpointError, match=r"001\.safetensors is damaged: the che"):
        restore(paths[1].parent, plain(), step=1)
    assert_same(restore(paths[1].parent, plain(), step=2), plain(2))


def test_a_step_that_is_not_there_is_named_with_those_that_are(paths):
    with pytest.raises(CheckpointError, match="no step 7; there are: 0, 1, 2"):
        restore(paths[0].parent, plain(), step=7)


def test_without_a_whole_one_there_is_none(tmp_path, paths):
    for folder in (tmp_path / "none", tmp_path / "empty"):
        assert latest(folder) is None
        with pytest.raises(CheckpointError, match="must hold a whole checkpoint"):
            restore(folder, plain())
        with pytest.raises(CheckpointError, match="no step 1; there are: none"):
            restore(folder, plain(), step=1)
        (tmp_path / "empty").mkdir(exist_ok=True)
    for path in paths:
        spoil(path)
    with pytest.warns(CheckpointWarning):
        assert latest(tmp_path) is None


def test_a_newer_format_is_refused_and_not_passed_over(paths, monkeypatch):
    folder = paths[0].parent
    with monkeypatch.context() as patch:
        patch.setattr(
            "funclearn.checkpoints._head.Head.__new__.__defaults__", (None, 9)
        )
        save(folder, plain(3), step=3)
    for find in (latest, lambda folder: restore(folder, plain())):
        with pytest.raises(CheckpointError, match=r"003\.safetensors has format 9, of"):
            find(folder)
    assert FORMAT < 9
    assert_same(restore(folder, plain(), step=2), plain(2))


def test_one_that_is_removed_meanwhile_makes_way_for_newer_ones(paths, monkeypatch):
    """Another process saves and removes while this one looks."""
    folder, before = paths[0].parent, finding.listed
    monkeypatch.setattr(finding, "listed", lambda folder: listed.pop())
    listed = [before(folder)]
    save(folder, plain(3), step=3, keep=1)
    listed.insert(0, before(folder))
    assert_same(restore(folder, plain()), plain(3))


def test_one_of_a_step_that_is_removed_meanwhile_is_told(paths, monkeypatch):
    before = finding.listed(paths[0].parent)
    monkeypatch.setattr(finding, "listed", lambda folder: before)
    paths[1].unlink()
    with pytest.raises(CheckpointError, match="was removed meanwhile"):
        restore(paths[0].parent, plain(), step=1)


def test_what_may_not_be_read_is_an_error(paths, monkeypatch):
    def refuse(path, step):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(finding, "opened", refuse)
    with pytest.raises(PermissionError, match=r"could not be read.*002\.safetensors"):
        latest(paths[0].parent)


def test_a_file_in_place_of_the_folder_is_an_error(paths):
    for find in (latest, lambda folder: restore(folder, plain(), step=1)):
        with pytest.raises(NotADirectoryError, match="could not be read"):
            find(paths[0])


def test_a_fault_of_the_caller_is_not_taken_for_damage(paths):
    def fault(path, checkpoint):
        raise FileNotFoundError("another file")

    with pytest.raises(FileNotFoundError, match="another file"):
        finding.newest(paths[0].parent, fault)
