"""Folders of arrays, and what can be wrong with them."""

import json
import os

import pytest

from funclearn.checkpoints import (
    CheckpointError,
    CheckpointWarning,
    latest,
    restore,
    save,
)
from funclearn.checkpoints import _folders as folders
from funclearn.checkpoints._leaves import Leaf
from funclearn.checkpoints._reading import head_of
from tests.checkpoints.parted import parted
from tests.checkpoints.settings import assert_same


@pytest.fixture
def saved(tmp_path):
    """Two checkpoints; the folder of arrays of the newer one."""
    for step in (1, 2):
        save(tmp_path, parted(4, step), step=step)
    (newest,) = tmp_path.glob("checkpoint-000000000002-*.orbax")
    return newest


def flip(folder):
    path = next(path for path in sorted(folder.rglob("*")) if path.name == "3.0")
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)


def cut(folder):
    path = folder / "0" / "1"
    path.write_bytes(path.read_bytes()[:-1])


def link(folder):
    path = folder / "0" / ".zarray"
    path.rename(folder.parent / "elsewhere")
    path.symlink_to(folder.parent / "elsewhere")


DAMAGES = {
    "the checksum of": flip,
    "of 4 bytes, has 3 bytes": cut,
    "is missing": lambda folder: (folder / "1" / "0.0").unlink(),
    "was not written with it": lambda folder: (folder / "0" / "more").touch(),
    "is no file": link,
    "cannot be read": lambda folder: folder.rename(folder.with_name("other")),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_folder_is_told_and_passed_over(saved, what):
    DAMAGES[what](saved)
    place = saved.parent
    for find in (latest, lambda place: restore(place, parted(4))):
        with pytest.warns(CheckpointWarning, match=f"000002.*passed over.*{what}"):
            found = find(place)
    assert_same(found, parted(4, 1))
    with pytest.raises(CheckpointError, match=f"is damaged.*{what}"):
        restore(place, parted(4), step=2)


def facts(saved):
    head = head_of(saved.parent, 2)
    assert head.folder is not None
    return head.folder, {str(one.name): one.leaf for one in head.arrays.values()}


def test_a_whole_folder_is_what_its_head_says(saved):
    folder, leaves = facts(saved)
    assert folder.name == saved.name
    assert sorted(leaves.values()) == [Leaf("bfloat16", (8,)), Leaf("float32", (8, 4))]
    assert {*folder.files} == {*folders.files_of(saved)}
    folders.check_folder(saved.parent, folder, leaves)


@pytest.mark.parametrize("shape", [(8, 8), (10**8, 10**8)])
def test_more_than_its_files_hold_is_not_asked_for(saved, shape):
    folder, leaves = facts(saved)
    forged = {name: leaf._replace(shape=shape) for name, leaf in leaves.items()}
    with pytest.raises(folders.Damage, match="other numbers than its head says"):
        folders.check_folder(saved.parent, folder, forged)


@pytest.mark.parametrize(
    "forged",
    [
        {"chunks": [10**9, 10**9]},
        {"chunks": [0, 1]},
        {"shape": [4, 8]},
        {"compressor": {"id": "zstd"}},
    ],
)
def test_what_would_take_other_memory_is_refused(saved, forged):
    folder, leaves = facts(saved)
    name = next(name for name, leaf in leaves.items() if leaf.shape == (8, 4))
    path = saved / name / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_text()) | forged))
    told = (path.stat().st_size, folders.digest(path).hex())
    folder = folder._replace(files={**folder.files, f"{name}/.zarray": told})
    with pytest.raises(folders.Damage, match="not that of its array"):
        folders.check_folder(saved.parent, folder, leaves)


def test_a_name_leads_nowhere_else(saved):
    folder, leaves = facts(saved)
    for name in ("..", "../x", "/etc", "checkpoint-000000000002-12345678.orbax/.."):
        with pytest.raises(folders.Damage, match="names no folder of arrays"):
            folders.check_folder(saved.parent, folder._replace(name=name), leaves)


def test_a_folder_somebody_writes_to_is_not_left_over(tmp_path):
    folder, lock = folders.new_folder(tmp_path, 7)
    assert folders.folders_of(tmp_path) == {folder: 7}
    folders.remove_folder(folder, left=True)
    assert folder.exists()
    lock.close()
    folders.remove_folder(folder, left=True)
    assert not folder.exists() and os.listdir(tmp_path) == []
