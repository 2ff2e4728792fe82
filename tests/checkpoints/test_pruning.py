import errno

import jax.numpy as jnp
import pytest

from funclearn.checkpoints import CheckpointWarning, prune, save
from funclearn.checkpoints import _pruning as pruning
from tests.checkpoints.settings import plain
from tests.checkpoints.test_saving import steps

VALUES = {1: 3.0, 2: 1.0, 3: 2.0, 4: 5.0, 5: 4.0}


@pytest.fixture
def folder(tmp_path):
    """Five checkpoints of which the second is the best, and the fourth the worst."""
    for step, value in VALUES.items():
        save(tmp_path, plain(step), step=step, value=value, keep=9)
    assert steps(tmp_path) == list(VALUES)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ({}, [2, 3, 4, 5]),
        ({"keep": 1}, [2, 5]),
        ({"keep": 1, "direction": "max"}, [4, 5]),
        ({"step": 3, "keep": 1}, [2, 3, 4, 5]),  # later ones stay
        ({"step": jnp.int32(5), "keep": 2}, [2, 4, 5]),
        ({"step": 0}, [1, 2, 3, 4, 5]),
        ({"keep": 9}, [1, 2, 3, 4, 5]),
    ],
)
def test_what_a_save_would_not_have_kept_goes(folder, arguments, left):
    gone = prune(folder, **arguments)
    assert steps(folder) == left
    went = sorted(VALUES.keys() - set(left), reverse=True)
    assert gone == [pruning.path_of(folder, step) for step in went]
    assert prune(folder, **arguments) == []


def test_it_keeps_what_a_save_keeps(folder, tmp_path):
    save(folder, plain(6), step=6, value=9.0, keep=2)
    saved = steps(folder)
    save(folder, plain(6), step=6, value=9.0, keep=9)
    prune(folder, keep=2)
    assert steps(folder) == saved == [2, 5, 6]


def test_the_newest_is_the_newest_whole_one(folder):
    path = pruning.path_of(folder, 5)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.warns(CheckpointWarning, match="000005"):
        prune(folder, keep=1)
    assert steps(folder) == [2, 4, 5]


def test_what_interrupted_saves_left_goes(folder):
    (folder / ".checkpoint-000000000006.safetensors.ab.tmp").write_bytes(b"half")
    prune(folder, keep=9)
    assert sorted(folder.iterdir()) == sorted(folder.glob("checkpoint-*"))


def test_no_folder_and_an_empty_one_hold_nothing(tmp_path):
    assert prune(tmp_path / "none") == prune(tmp_path) == prune(tmp_path, step=3) == []
    assert not (tmp_path / "none").exists()


def test_what_cannot_be_removed_is_told_and_not_given_as_gone(folder, monkeypatch):
    def refuse(self, missing_ok=False):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", refuse)
        with pytest.warns(CheckpointWarning, match="could not be removed"):
            assert prune(folder, keep=2) == []
    assert steps(folder) == list(VALUES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep": 0}, "keep must be at least 1; got 0"),
        ({"keep": 1.5}, "keep must be an integer"),
        ({"step": -1}, "step must be at least 0; got -1"),
        ({"direction": "up"}, "direction must be"),
    ],
)
def test_bad_arguments_are_named_and_nothing_goes(
    folder, arguments, message, plain_annotations
):
    with pytest.raises((TypeError, ValueError), match=message):
        prune(folder, **arguments)
    assert steps(folder) == list(VALUES)


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        prune(tmp_path / "file")
    with pytest.raises(NotADirectoryError, match="could not be looked through"):
        prune(tmp_path / "file", step=1)
