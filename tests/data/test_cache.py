import gzip
import os
import re
import threading

import pytest

from funclearn.data import _cache
from tests.data.server import FILES, IMAGES, LABELS, source

NAMES = (IMAGES, LABELS)
DEAD = "http://127.0.0.1:9/"  # the port of a service that nobody runs any more


def put(folder, *names, pack=bytes):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(pack(FILES[name]))


def test_missing_files_are_downloaded_once(server, tmp_path):
    here = source(server.url("good"))
    for _ in range(2):
        paths = _cache.provide(here, NAMES, tmp_path / "new" / "folder")
        assert [path.read_bytes() for path in paths] == [FILES[n] for n in NAMES]
    assert [name for _, name, _ in server.requests] == list(NAMES)


def test_what_lacks_is_downloaded(server, tmp_path):
    put(tmp_path, IMAGES)
    _cache.provide(source(server.url("good")), NAMES, tmp_path)
    assert [name for _, name, _ in server.requests] == [LABELS]


@pytest.mark.parametrize("below", [".", "Garments/raw"])
def test_packed_files_that_are_there_are_taken(tmp_path, below):
    put(tmp_path / below, *FILES)
    before = sorted(tmp_path.rglob("*"))
    paths = _cache.provide(source(DEAD), NAMES, str(tmp_path))
    assert paths == [tmp_path / below / name for name in NAMES]
    assert sorted(tmp_path.rglob("*")) == before  # a folder that cannot be written does


@pytest.mark.parametrize("dot", [False, True])
def test_unpacked_files_that_are_there_are_taken(tmp_path, dot):
    plain = [name.removesuffix(".gz") for name in NAMES]
    plain = [name.replace("-idx", ".idx") if dot else name for name in plain]
    for name, packed in zip(plain, NAMES, strict=True):
        (tmp_path / name).write_bytes(gzip.decompress(FILES[packed]))
    paths = _cache.provide(source(DEAD), NAMES, tmp_path)
    assert paths == [tmp_path / name for name in plain]


def test_a_file_of_another_set_is_refused_and_kept(server, tmp_path):
    put(tmp_path, IMAGES)
    (tmp_path / LABELS).write_bytes(FILES[IMAGES])
    expected = {file.name: file.sha256 for file in source().files}
    message = (
        f"{tmp_path / LABELS} must be the published file of Garments, of SHA-256 "
        f"{expected[LABELS]}; got {expected[IMAGES]}. Remove it"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        _cache.provide(source(server.url("good")), NAMES, tmp_path)
    assert (tmp_path / LABELS).read_bytes() == FILES[IMAGES]


def test_without_a_network_one_sentence_says_what_to_do(server, tmp_path):
    mirrors = DEAD, server.url("missing")
    with pytest.raises(ConnectionError) as caught:
        _cache.provide(source(*mirrors), NAMES, tmp_path / "data")
    assert re.fullmatch(
        re.escape(f"Garments could not be downloaded; tried {DEAD}{IMAGES} (")
        + r"[^()]*refused[^()]*"
        + re.escape(f"); {mirrors[1]}{IMAGES} (HTTP status 404). To go without a ")
        + re.escape(f"network put {', '.join(FILES)} into {tmp_path / 'data'}."),
        str(caught.value),
    )


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    message = (
        "Garments needs a folder that can be written, named by `folder` or by the "
        f"environment variable FUNCLEARN_DATA; {tmp_path / 'file' / 'below'} fails with"
    )
    with pytest.raises(OSError, match=re.escape(message)):
        _cache.provide(source(server.url("good")), NAMES, tmp_path / "file" / "below")
    assert not server.requests


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="needs a folder that can be written"):
        _cache.provide(source(server.url("good")), NAMES, tmp_path)


def test_a_folder_is_a_path(plain_annotations):
    with pytest.raises(TypeError, match="folder must be a path or None; got 3"):
        _cache.provide(source(DEAD), NAMES, 3)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("named", [True, False])
def test_the_environment_names_the_cache(server, tmp_path, monkeypatch, named):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FUNCLEARN_DATA", "~" if named else "")
    monkeypatch.setattr(_cache, "cache_folder", lambda: tmp_path)
    (path,) = _cache.provide(source(server.url("good")), [LABELS], None)
    assert path == tmp_path / "garments" / LABELS


def test_of_two_at_once_one_downloads(server, tmp_path):
    here = source(server.url("good"))
    found = []

    def provide():
        found.append(_cache.provide(here, NAMES, tmp_path))

    threads = [threading.Thread(target=provide) for _ in range(4)]
    with _cache._locked(tmp_path / ".garments.lock"):
        for thread in threads:
            thread.start()
        assert not server.requests  # all of them wait
    for thread in threads:
        thread.join()
    assert found == 4 * [[tmp_path / name for name in NAMES]]
    assert [name for _, name, _ in server.requests] == list(NAMES)
