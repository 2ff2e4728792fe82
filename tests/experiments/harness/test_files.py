import os

import pytest

from experiments.harness._files import write


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
