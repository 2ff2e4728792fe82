"""Changes of a folder are counted, reported or polled."""

import os
import sys
import time

import pytest

from funclearn.testing._watching import Growth, watching


@pytest.fixture(params=["reported", "polled"])
def polled(request, monkeypatch):
    if request.param == "polled":
        monkeypatch.setitem(sys.modules, "watchdog.observers", None)
    return request.param == "polled"


@pytest.mark.usefixtures("polled")
def test_every_kind_of_write_is_one(tmp_path):
    (tmp_path / "old").write_text("0")
    (tmp_path / "gone").write_text("0")
    with watching(tmp_path) as changes:
        for number, change in enumerate(
            (
                lambda: (tmp_path / "new").touch(),
                lambda: (tmp_path / "new").write_text("1"),
                lambda: os.replace(tmp_path / "new", tmp_path / "renamed"),
                lambda: (tmp_path / "gone").unlink(),
                lambda: (tmp_path / "folder").mkdir(),
                lambda: (tmp_path / "old").write_text("01"),
            )
        ):
            before = changes.count
            change()
            changes.settle()
            assert before < changes.count <= before + 2, number
        before = changes.count
        assert (tmp_path / "old").read_text() == "01"
        changes.settle()
        assert changes.count == before
    assert changes.first is not None and changes.last is not None
    assert changes.first < changes.last < time.monotonic()


@pytest.mark.usefixtures("polled")
def test_what_a_new_folder_contains_is_watched(tmp_path):
    with watching(tmp_path) as changes:
        (tmp_path / "folder").mkdir()
        changes.settle()
        before = changes.count
        (tmp_path / "folder" / "file").write_text("1")
        changes.settle()
        assert changes.count > before


def test_waiting_ends_with_a_change_or_in_time(tmp_path, polled):
    with watching(tmp_path) as changes:
        begun = time.monotonic()
        changes.wait(0, 0.05)
        assert changes.count == 0 and time.monotonic() - begun >= 0.05
        (tmp_path / "file").touch()
        changes.wait(0, 5.0)
        assert changes.count == 1
        changes.wait(0, 5.0)  # it has changed already
        assert time.monotonic() - begun < 5


def test_the_last_change_of_a_size_is_known(tmp_path):
    (tmp_path / "log").write_text("12")
    with watching(tmp_path) as changes:
        with open(tmp_path / "log", "a") as log:
            log.write("345")
        changes.settle()
        (tmp_path / "new").write_text("1234")
        changes.settle()
        os.replace(tmp_path / "new", tmp_path / "state")
        (tmp_path / "away").write_text("1")
        (tmp_path / "away").unlink()
        changes.settle()
    grown = {tmp_path / "log": Growth(2, 5), tmp_path / "state": Growth(0, 4)}
    assert changes.grown == grown


def test_where_there_are_no_watches_left_changes_are_polled(tmp_path, monkeypatch):
    observers = pytest.importorskip("watchdog.observers")

    def refused(self):
        raise OSError("inotify watch limit reached")

    monkeypatch.setattr(observers.Observer, "start", refused)
    with watching(tmp_path) as changes:
        (tmp_path / "file").write_text("1")
        changes.wait(0, 5.0)
    assert changes.count == 1 and not changes.grown


def test_a_folder_that_goes_away_ends_no_watch(tmp_path, polled):
    folder = tmp_path / "folder"
    folder.mkdir()
    with watching(folder) as changes:
        folder.rmdir()
        changes.settle()
    assert changes.count >= 0
