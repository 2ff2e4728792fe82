"""Streams that fail do not fail a run."""

import errno
import io
import os
import subprocess
import sys
from typing import Any

import pytest


def stream(file):
    from funclearn._display._stream import Stream

    return Stream(file)


def test_text_goes_through():
    file = io.StringIO()
    one = stream(file)
    assert one.write("a\n") == 2
    one.flush()
    assert (file.getvalue(), one.broken, one.columns()) == ("a\n", False, None)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_what_an_encoding_lacks_is_a_question_mark(encoding):
    raw = io.BytesIO()
    one = stream(io.TextIOWrapper(raw, encoding=encoding))
    one.write("a\N{SNOWMAN}\ud800b")
    one.flush()
    assert (raw.getvalue(), one.broken) == (b"a??b", False)


class _Failing(io.StringIO):
    def __init__(self, error):
        super().__init__()
        self.error, self.tries = error, 0

    def write(self, text):
        self.tries += 1
        raise self.error

    def isatty(self):
        return True


@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(), OSError(errno.EIO, "gone"), ValueError("closed")],
    ids=lambda error: type(error).__name__,
)
def test_after_a_failure_nothing_is_written(error):
    file = _Failing(error)
    one = stream(file)
    for _ in range(3):
        one.write("a")
        one.flush()
    assert one.broken and file.tries == 1


def test_a_slow_terminal_gets_the_next_text():
    file = _Failing(BlockingIOError())
    one = stream(file)
    one.write("a")
    one.write("b")
    assert not one.broken and file.tries == 2


def test_errors_of_another_kind_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        stream(_Failing(ZeroDivisionError())).write("a")


@pytest.mark.parametrize("closed", [False, True])
def test_no_stream_at_all(closed):
    file = io.StringIO()
    file.close()
    one = stream(file if closed else None)
    one.write("a")
    one.flush()
    assert one.broken and not one.isatty() and one.fileno() == -1


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_program_whose_reader_left_ends_well(name):
    """Its exit status is its own."""
    from funclearn._display import _stream

    # The file alone, since the library takes a second to import.
    code = (
        "import runpy, sys; "
        f"one = runpy.run_path({_stream.__file__!r})['Stream'](sys.{name}); "
        "one.write('a\\n' * 9); one.flush(); assert one.broken"
    )
    read, write = os.pipe()
    os.close(read)
    streams: dict[str, Any] = {name: write}
    result = subprocess.run([sys.executable, "-c", code], timeout=60, **streams)
    os.close(write)
    assert result.returncode == 0
