import errno
import io
import os
import tempfile
from pathlib import Path

import pytest

from experiments.harness._files import require_folder, require_writable, write


def _interrupted(*arguments):
    raise KeyboardInterrupt


@pytest.mark.parametrize("content", ["a µ\n", b"\x00\xff"])
def test_writes_text_and_bytes(tmp_path, content):
    path = tmp_path / "file"
    path.write_text("something longer")
    write(path, content)
    data = content.encode("utf-8") if isinstance(content, str) else content
    assert path.read_bytes() == data
    assert [*tmp_path.iterdir()] == [path]


def test_an_interrupt_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    write(path, "old")
    monkeypatch.setattr(os, "replace", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(path, "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("summary.json", "old")
    ]


def test_a_folder_in_the_way_stays(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="file"):
        write(tmp_path / "file", "new")
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]


@pytest.mark.parametrize("missing", ["", "one", "one/two"])
def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path, missing):
    require_writable(tmp_path / missing)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("below", ["", "one", "one/two"])
def test_a_path_through_a_file_is_refused(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"file is none\.$"):
        require_writable(tmp_path / "file" / below)


def test_a_link_that_leads_nowhere_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError, match=r"link is none\.$"):
        require_writable(tmp_path / "link")


def test_a_full_disk_is_found_before_the_work(tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: Full())
    with pytest.raises(OSError, match="No space left"):
        require_writable(tmp_path)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_a_folder_that_takes_no_file_is_refused():
    with pytest.raises(OSError, match="/proc/self"):
        require_writable(Path("/proc/self/results"))


@pytest.mark.parametrize("below", ["file", "file/below"])
def test_a_folder_of_something_else_is_told_by_its_option(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"^checkpoints need .*file is none"):
        require_folder(tmp_path / below, "checkpoints", "--checkpoint-dir")
    with pytest.raises(OSError, match=r"^.*checkpoints cannot .* --checkpoint-dir$"):
        require_folder(tmp_path / ("x" * 5000), "checkpoints", "--checkpoint-dir")


@pytest.mark.parametrize(
    "taken", ["autograd", "index.html", "summary.json", "autograd/summary.json"]
)
def test_what_is_in_the_way_is_found_before_the_work(tmp_path, taken):
    if taken == "autograd":
        (tmp_path / taken).touch()
    else:
        (tmp_path / taken).mkdir(parents=True)
    with pytest.raises(OSError, match=taken):
        require_writable(tmp_path, "autograd")


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(OSError, match="too long"):
        require_writable(tmp_path / ("x" * 5000))
