"""Every way in which a server goes wrong ends with the right file or a clear reason."""

import contextlib
import hashlib
import io
import re
import sys
import time
import types

import pytest

from funclearn.data import _download
from tests.data.server import BREAK, FILES, IMAGES, running

DATA = FILES[IMAGES]
SHA256 = hashlib.sha256(DATA).hexdigest()
FILE = _download.File(name=IMAGES, size=len(DATA), sha256=SHA256)
PART = f"{IMAGES}.part"


def download(folder, *urls, waits=(0.0, 0.0), timeout=0.15):
    return _download.download(FILE, folder, urls, timeout=timeout, waits=waits)


def reason(server, behaviour, folder, **settings):
    (only,) = download(folder, server.url(behaviour), **settings).values()
    assert not (folder / IMAGES).exists()
    return only


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def ranges(server):
    return [asked for _, _, asked in server.requests]


GIVEN = [
    "good",
    "whole",
    "unsized",
    "endless",
    "moved",
    "busy",
    "once",
    "unsatisfiable",
]


@pytest.mark.parametrize("there", [b"", DATA[:700], DATA[:-1], DATA, DATA + b"more"])
@pytest.mark.parametrize("behaviour", [*GIVEN, "shifted"])
def test_the_file_arrives_from_wherever_it_is_resumed(
    server, tmp_path, behaviour, there
):
    if there:
        (tmp_path / PART).write_bytes(there)
    assert download(tmp_path, server.url(behaviour)) == {}
    assert (tmp_path / IMAGES).read_bytes() == DATA
    assert names(tmp_path) == [IMAGES]


def test_a_broken_connection_is_resumed_where_it_broke(server, tmp_path):
    rounds = -(-len(DATA) // BREAK)
    assert rounds > 3
    # Some versions of Python tell a short response by an error of their own.
    told = reason(server, "breaks", tmp_path, waits=(0.0,))
    assert told.endswith(f" after {2 * BREAK} of {len(DATA)} bytes")
    assert ranges(server) == [None, f"bytes={BREAK}-"]
    assert names(tmp_path) == [PART]
    assert download(tmp_path, server.url("breaks"), waits=[0.0] * rounds) == {}
    assert (tmp_path / IMAGES).read_bytes() == DATA


def test_a_stall_is_given_up_and_the_rest_had_elsewhere(server, tmp_path):
    start = time.monotonic()
    urls = server.url("stalls"), server.url("good")
    assert download(tmp_path, *urls) == {}
    assert time.monotonic() - start < 1
    assert ranges(server) == [None, f"bytes={BREAK}-"]
    assert (tmp_path / IMAGES).read_bytes() == DATA


REASONS = {
    "stalls": f"timed out after {3 * BREAK} of {len(DATA)} bytes",
    "silent": "timed out",
    "long": f"offers {len(DATA) + 7} bytes where {len(DATA)} are published",
    "short": f"offers {len(DATA) - 7} bytes where {len(DATA)} are published",
    "page": f"offers 25 bytes where {len(DATA)} are published",
    "missing": "HTTP status 404",
    "circle": "HTTP status 302",
    "nonsense": "SSH-2.0-OpenSSH_9.9",
}


@pytest.mark.parametrize("behaviour", REASONS)
def test_a_reason_is_given(server, tmp_path, behaviour):
    assert reason(server, behaviour, tmp_path).strip() == REASONS[behaviour]


@pytest.mark.parametrize("behaviour", ["long", "page", "missing", "wrong"])
def test_what_cannot_get_better_is_not_asked_again(server, tmp_path, behaviour):
    reason(server, behaviour, tmp_path, waits=[9.0])
    assert len(server.requests) == 1


def test_wrong_bytes_are_not_kept(server, tmp_path):
    wrong = hashlib.sha256(DATA[:-9] + bytes([DATA[-9] ^ 1]) + DATA[-8:]).hexdigest()
    assert reason(server, "wrong", tmp_path) == (
        f"its file has SHA-256 {wrong} where {SHA256} is published"
    )
    assert names(tmp_path) == []


@pytest.mark.parametrize("there", [bytes(700), bytes(len(DATA))])
def test_a_wrong_beginning_is_fetched_anew(server, tmp_path, there):
    """What lies there from before may be another file's, of another mirror."""
    (tmp_path / PART).write_bytes(there)
    assert download(tmp_path, server.url("good")) == {}
    assert (tmp_path / IMAGES).read_bytes() == DATA
    assert ranges(server)[-1] is None


def test_a_range_of_another_file_is_refused(server, tmp_path):
    (tmp_path / PART).write_bytes(DATA[:700])
    assert reason(server, "othersize", tmp_path).startswith(f"offers {len(DATA) + 7}")


def test_mirrors_are_tried_in_turn(server, tmp_path):
    urls = [server.url(one) for one in ("missing", "wrong", "page", "good")]
    assert download(tmp_path, *urls) == {}
    assert [behaviour for behaviour, *_ in server.requests] == [
        "missing",
        "wrong",
        "page",
        "good",
    ]


def test_wrong_bytes_of_one_mirror_do_not_spoil_another(server, tmp_path):
    assert download(tmp_path, server.url("spoils"), server.url("good")) == {}
    assert (tmp_path / IMAGES).read_bytes() == DATA
    assert [behaviour for behaviour, *_ in server.requests] == [
        "spoils",
        "good",
        "good",
    ]


def test_nobody_listens(tmp_path):
    with running() as server:
        url = server.url("good")
    (only,) = download(tmp_path, url).values()
    assert "refused" in only.lower()


def test_an_interrupted_download_keeps_its_bytes(server, tmp_path, monkeypatch):
    @contextlib.contextmanager
    def bar(file):
        def show(there):
            if there >= 700:
                raise KeyboardInterrupt

        yield show

    monkeypatch.setattr(_download, "_CHUNK", 100)
    with monkeypatch.context() as patch:
        patch.setattr(_download, "_bar", bar)
        with pytest.raises(KeyboardInterrupt):
            download(tmp_path, server.url("good"))
    assert names(tmp_path) == [PART]
    there = (tmp_path / PART).read_bytes()
    assert len(there) >= 700 and DATA.startswith(there)
    assert download(tmp_path, server.url("good")) == {}
    assert ranges(server)[-1] == f"bytes={len(there)}-"


def test_no_bar_without_a_terminal(server, tmp_path, capfd):
    assert download(tmp_path, server.url("good")) == {}
    assert capfd.readouterr() == ("", "")


def test_a_terminal_shows_how_much_is_there(server, tmp_path, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert download(tmp_path, server.url("good")) == {}
    size = f"{len(DATA) / 1000:.1f}"
    assert terminal.getvalue().startswith(f"{IMAGES} {size} / {size} kB")


def test_a_notebook_shows_it_in_one_plain_output(server, tmp_path, monkeypatch):
    outputs, rate = {}, r"(, [0-9.]+ [kMG]B/s)?"

    def publish(data, *, transient, update):
        assert update == bool(outputs)
        outputs[transient["display_id"]] = data

    publisher = types.SimpleNamespace(publish=publish)
    shell = types.SimpleNamespace(kernel="here", display_pub=publisher)
    module = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)
    assert download(tmp_path, server.url("good")) == {}
    (shown,) = outputs.values()
    size = re.escape(f"{len(DATA) / 1000:.1f}")
    assert [*shown] == ["text/plain"]
    assert re.fullmatch(f"{IMAGES} {size} / {size} kB{rate}", shown["text/plain"])
