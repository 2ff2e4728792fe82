import contextlib
import errno
import io
import os
import subprocess
import sys
import threading

import pytest

from funclearn.checkpoints import _files as files

posix = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
PARTS = (b"one", memoryview(b"two" * 5000))
WHOLE = b"one" + b"two" * 5000


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "file"
    files.write(path, PARTS)
    assert path.read_bytes() == WHOLE and names(tmp_path) == ["file"]
    files.write(path, [b"new"])
    assert path.read_bytes() == b"new" and names(tmp_path) == ["file"]


def test_it_is_on_disk_before_it_has_its_name_and_the_folder_after(
    tmp_path, monkeypatch
):
    """What a loss of power can leave follows from the order of these."""
    path, done = tmp_path / "file", []
    fsync, replace = os.fsync, os.replace

    def logged(descriptor):
        folder = os.path.samestat(os.fstat(descriptor), os.stat(tmp_path))
        size = os.fstat(descriptor).st_size
        done.append("folder" if folder else f"file of {size}")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", logged)
    monkeypatch.setattr(os, "replace", lambda *a: done.append("name") or replace(*a))
    files.write(path, PARTS)
    assert done == [f"file of {len(WHOLE)}", "name", "folder"]


class Full(io.BufferedWriter):
    """A file that fails at one of its operations."""

    fail = ""

    def write(self, buffer):
        if self.fail == "write" or (self.fail == "second write" and len(buffer) > 9):
            super().write(bytes(buffer)[: len(buffer) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(buffer)

    def flush(self):
        if self.fail == "flush":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().flush()


OPERATIONS = ("open", "write", "second write", "flush", "fsync", "replace", "folder")


@pytest.fixture
def fail(monkeypatch):
    """Makes one operation fail once, as on a disk that is full."""

    def no_space(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def failing(operation):
        if operation == "open":
            monkeypatch.setattr(files, "open", no_space, raising=False)
        elif operation in ("fsync", "replace"):
            monkeypatch.setattr(os, operation, no_space)
        elif operation == "folder":
            monkeypatch.setattr(files, "folder_to_disk", no_space)
        else:
            monkeypatch.setattr(Full, "fail", operation)
            monkeypatch.setattr(
                files,
                "open",
                lambda path, mode: Full(io.FileIO(path, mode)),
                raising=False,
            )

    return failing


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("there", [False, True])
def test_a_full_disk_leaves_what_was_there(tmp_path, fail, operation, there):
    path = tmp_path / "file"
    if there:
        path.write_bytes(b"old")
    fail(operation)
    with pytest.raises(OSError, match="No space") as caught:
        files.write(path, PARTS)
    assert caught.value.errno == errno.ENOSPC
    if operation == "folder":  # it has its name by then, and is whole
        assert path.read_bytes() == WHOLE
    else:
        assert names(tmp_path) == ["file"] * there
        assert not there or path.read_bytes() == b"old"


def test_an_interrupt_leaves_nothing(tmp_path):
    def parts():
        yield b"one"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "file", parts())
    assert names(tmp_path) == []


def left_over(folder, name):
    path = folder / name
    path.write_bytes(b"half")
    return path


def test_what_was_left_is_cleaned_and_nothing_else(tmp_path):
    left_over(tmp_path, ".run-1.st.0123.tmp")
    for name in ("run-1.st", ".run-1.st", ".other.0123.tmp", ".run-2.st.0123.part"):
        left_over(tmp_path, name)
    before = set(names(tmp_path))
    files.clean(tmp_path, "run-*.st")
    assert before - set(names(tmp_path)) == {".run-1.st.0123.tmp"}


CHILD = """
import sys
from funclearn.checkpoints import _files
hidden, file = _files._begun(_files.Path(sys.argv[1]))
print(hidden, flush=True)
input()
"""


@posix
def test_what_another_process_writes_is_not_left_over_until_it_is_killed(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "run-1")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=files.Path(__file__).parents[2],
        text=True,
    )
    with child:
        assert child.stdout is not None
        hidden = files.Path(child.stdout.readline().strip())
        files.clean(tmp_path, "run-*")
        assert hidden.exists()
        child.kill()
    files.clean(tmp_path, "run-*")
    assert names(tmp_path) == []


@posix
def test_a_file_that_was_taken_for_left_over_is_begun_again(tmp_path, monkeypatch):
    """Another process cleans between the making of a file and its locking."""
    lock, stolen = files.lock, []

    def late(file, *, wait=False):
        if wait and not stolen:
            stolen.append(file.name)
            os.unlink(file.name)
        return lock(file, wait=wait)

    monkeypatch.setattr(files, "lock", late)
    files.write(tmp_path / "file", PARTS)
    assert stolen and (tmp_path / "file").read_bytes() == WHOLE


@posix
def test_without_locks_all_is_written_and_nothing_is_cleaned(tmp_path, monkeypatch):
    import fcntl

    def none(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    hidden = left_over(tmp_path, ".run-1.0123.tmp")
    files.clean(tmp_path, "run-*")
    files.write(tmp_path / "run-1", PARTS)
    assert hidden.exists() and (tmp_path / "run-1").read_bytes() == WHOLE


def test_many_may_write_one_file(tmp_path):
    """Every one of them whole, whoever is last."""
    path, contents = tmp_path / "run-1", [bytes([n]) * 20_000 for n in range(4)]

    def work(content):
        for _ in range(10):
            files.clean(tmp_path, "run-*")
            files.write(path, [content[:9], content[9:]])
            assert path.read_bytes() in contents

    threads = [threading.Thread(target=work, args=(one,)) for one in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents and names(tmp_path) == ["run-1"]


def test_folders_are_made_with_those_above_them(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "folder_to_disk", synced.append)
    files.make_folder(tmp_path / "a" / "b")
    files.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir() and synced == [tmp_path / "a", tmp_path]


@posix
@pytest.mark.parametrize(
    ("number", "passes"), [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, 0)]
)
def test_a_file_system_may_be_unable_to_flush_folders(
    tmp_path, monkeypatch, number, passes
):
    def fsync(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    with contextlib.nullcontext() if passes else pytest.raises(OSError):
        files.folder_to_disk(tmp_path)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (OSError(errno.ENOSPC, "full"), OSError, "full; it failed: free some space"),
        (OSError(errno.EROFS, "ro"), OSError, "a folder that may be written to"),
        (OSError(errno.EACCES, "no"), PermissionError, "a folder that may be written"),
        (OSError(errno.ENOENT, "no"), FileNotFoundError, "the folder is no longer"),
        (OSError(errno.ENOTDIR, "no"), NotADirectoryError, "something else is there"),
        (OSError(errno.EIO, "bad"), OSError, "bad; it failed: see what the system"),
        (TimeoutError("slow"), TimeoutError, "slow; it failed"),
    ],
)
def test_errors_say_what_failed_where_and_what_to_do(tmp_path, error, kind, message):
    with pytest.raises(kind, match=message) as caught:
        with files.explained(tmp_path, "it failed"):
            raise error
    assert type(caught.value) is kind and caught.value.errno == error.errno
    assert str(tmp_path) in str(caught.value)
