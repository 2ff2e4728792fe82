# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportAttributeAccessIssue=false

import io
import sys

import pytest

from experiments.harness._streams import write_what_fits


@pytest.mark.parametrize(
    ("encoding", "written"), [("ascii", b"? ?"), ("cp1252", b"? \xb5")]
)
def test_what_an_encoding_lacks_becomes_a_question_mark(monkeypatch, encoding, written):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    write_what_fits()
    for stream in streams:
        stream.write("λ µ")
        stream.flush()
        assert stream.buffer.getvalue() == written


def test_a_stream_without_an_encoding_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    write_what_fits()
    print("λ")
    assert sys.stdout.getvalue() == "λ\n"
