"""A folder is copied and filled again, and gets back what it had."""

import os

import pytest

from funclearn.testing._copies import Copies

pytestmark = pytest.mark.usefixtures("aside")


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder" / "data").mkdir(parents=True)
    (tmp_path / "folder" / "data" / "rows").write_text("1")
    return tmp_path / "folder"


def test_filling_takes_away_changes_and_brings_back(folder):
    inode = folder.stat().st_ino
    with Copies(folder) as copies:
        (folder / "data" / "rows").write_text("2")
        (folder / "link").symlink_to("data")
        copies.keep("killed")
        (folder / "more").mkdir()
        copies.fill("initial")
        assert contents(folder) == {"data/rows": "1"}
        copies.fill("killed")
        assert contents(folder) == {"data/rows": "2"}
        assert os.readlink(folder / "link") == "data"
    assert contents(folder) == {"data/rows": "1"} and not (folder / "link").exists()
    assert folder.stat().st_ino == inode and not copies.aside.exists()


@pytest.mark.parametrize(
    ("error", "kept"), [(AssertionError, True), (KeyboardInterrupt, False)]
)
def test_the_copies_of_a_failure_are_kept(folder, error, kept):
    copies = Copies(folder)
    with pytest.raises(error), copies:
        (folder / "new").touch()
        copies.keep("ended")
        raise error
    assert contents(folder) == {"data/rows": "1"}
    assert (copies.aside / "ended" / "new").exists() == kept


def test_a_folder_is_made_and_pipes_are_left_out(tmp_path):
    folder = tmp_path / "a" / "b"
    with Copies(folder) as copies:
        assert folder.is_dir()
        if hasattr(os, "mkfifo"):
            os.mkfifo(folder / "pipe")
        copies.keep("killed")
        assert not list((copies.aside / "killed").iterdir())
        folder.rename(tmp_path / "away")
        copies.keep("ended")
        assert not list((copies.aside / "ended").iterdir())
