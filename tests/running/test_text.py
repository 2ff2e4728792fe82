"""Files of lines that are whole whatever happens to them."""

import errno
import os
import resource
import shutil
import signal

import jax
import numpy as np
import pytest

N = 1000

ROWS = {
    "loss": np.geomspace(1e3, 1e-3, N, dtype=np.float32),
    "validation": np.where(np.arange(N) % 7, 0.25, np.nan).astype(np.float32),
}

ROW = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((), leaf.dtype), ROWS)


def read(start, stop):
    return jax.tree.map(lambda leaf: leaf[start:stop], ROWS)


@pytest.fixture(params=["csv", "json"])
def opened(tmp_path, request):
    """Opens the text at a row, and tells its path."""
    from funclearn.running import _rows
    from funclearn.running._text import Text

    form = getattr(_rows, f"{request.param}_format")(ROW)

    class Opened:
        path = tmp_path / "history"

        def __call__(self, rows=0, read=read):
            text = Text(self.path, form)
            text.mend(rows, read)
            return text

        def expected(self, rows):
            return form.head + b"".join(form.lines(0, read(0, rows)))

    return Opened()


def test_lines_are_there_after_every_append(opened):
    text = opened()
    assert opened.path.read_bytes() == opened.expected(0)
    for start, stop in ((0, 1), (1, 1), (1, 300), (300, N)):
        text.append(start, read(start, stop))
        assert opened.path.read_bytes() == opened.expected(stop)
    text.close()


@pytest.mark.parametrize("rows", [0, 1, 2, 500, N - 1, N])
def test_a_longer_text_is_cut(opened, rows):
    opened().append(0, ROWS)
    text = opened(rows)
    assert opened.path.read_bytes() == opened.expected(rows)
    text.append(rows, read(rows, N))
    assert opened.path.read_bytes() == opened.expected(N)


@pytest.mark.parametrize("rows", [N, N - 1, 3, 1])
def test_what_is_whole_is_not_written_again(opened, rows, monkeypatch):
    from funclearn.running import _text

    monkeypatch.setattr(_text, "ROWS", 7)
    opened().append(0, ROWS)
    before = os.stat(opened.path).st_ino
    monkeypatch.setattr(_text.Text, "_write", None)
    opened(rows)
    assert os.stat(opened.path).st_ino == before
    assert opened.path.read_bytes() == opened.expected(rows)


def changed(change):
    """Changes the lines before the last."""

    def damage(content):
        *lines, last = content.splitlines(keepends=True)
        return b"".join([*change(lines), last])

    return damage


DAMAGE = {
    "missing": None,
    "empty": lambda content: b"",
    "half a head": lambda content: content[:5],
    "shorter": lambda content: content[: len(content) // 2],
    "half a line": lambda content: content[:-3],
    "no last end": lambda content: content[:-1],
    "another head": lambda content: b"x" + content,
    "a line lost": changed(lambda lines: lines[:-1]),
    "a line too many": changed(lambda lines: [*lines, b"1,2,3\n"]),
    "zeros": lambda content: bytes(len(content)),
    "line ends of Windows": lambda content: content.replace(b"\n", b"\r\n"),
    "some digits": changed(
        lambda lines: [*lines[:9], *(one.replace(b"2", b"3") for one in lines[9:])]
    ),
    "another last row": lambda content: content[:-3] + b"9" + content[-2:],
}


@pytest.mark.parametrize("rows", [1, 500])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_text_is_written_anew(opened, damage, rows):
    opened().append(0, read(0, rows))
    if damage is None:
        opened.path.unlink()
    else:
        content = opened.path.read_bytes()
        opened.path.write_bytes(damage(content))
    opened(rows)
    assert opened.path.read_bytes() == opened.expected(rows)


def test_rows_that_do_not_follow_are_refused(opened):
    text = opened(5)
    with pytest.raises(ValueError, match="start must be 5, the number of rows in"):
        text.append(6, read(6, 7))
    assert opened.path.read_bytes() == opened.expected(5)


def test_a_file_that_vanished_is_named(opened):
    text = opened(5)
    shutil.rmtree(opened.path.parent)
    with pytest.raises(FileNotFoundError) as caught:
        text.append(5, read(5, 6))
    assert caught.value.filename == str(opened.path)


def test_a_file_that_another_program_changed_is_named(opened):
    text = opened(5)
    opened.path.write_bytes(opened.path.read_bytes() + b"more")
    with pytest.raises(OSError, match="Another program changed the size") as caught:
        text.append(5, read(5, 6))
    assert caught.value.filename == str(opened.path)


@pytest.fixture
def room():
    """Sets how large files may become; what is beyond is an error of writing."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_without_room_no_half_line_is_left(opened, room):
    """A part of the block is written first, as on a disk that is nearly full."""
    text = opened(5)
    size = len(opened.expected(5))
    room(size + 30)
    with pytest.raises(OSError) as caught:
        text.append(5, read(5, 600))
    assert caught.value.filename == str(opened.path)
    assert caught.value.errno == errno.EFBIG
    assert opened.path.read_bytes() == opened.expected(5)
    room(resource.RLIM_INFINITY)
    text.append(5, read(5, 600))
    assert opened.path.read_bytes() == opened.expected(600)


def test_a_folder_or_a_pipe_is_no_text(opened):
    opened.path.mkdir()
    with pytest.raises(OSError, match="Not a regular file") as caught:
        opened()
    assert caught.value.filename == str(opened.path)
    opened.path.rmdir()
    os.mkfifo(opened.path)
    with pytest.raises(OSError, match="Not a regular file"):
        opened(3)
