"""Files that are whole and on disk, or not there.

A file is written beside its place under a hidden name, and moved there once it is on
disk. While it is being written it is locked, so that what an interrupted save has left
can be told from what another process is just writing: a lock ends with its process.
"""

import contextlib
import errno
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from funclearn._locks import lock

__all__ = ["clean", "explained", "folder_to_disk", "make_folder", "write"]

_ADVICE = {
    **dict.fromkeys(
        (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)),
        "free some space or choose another folder",
    ),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS),
        "choose a folder that may be written to",
    ),
    errno.ENOENT: "the folder is no longer there",
    **dict.fromkeys(
        (errno.ENOTDIR, errno.EEXIST), "something else is there; choose another folder"
    ),
}


@contextlib.contextmanager
def explained(path: Path, failure: str) -> Iterator[None]:
    """Says of an error of the operating system what failed, where, and what to do.

    Raises:
        OSError: in place of another one, of the same class and number.
    """
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "see what the system says")
        text = f"{error.strerror or error}; {failure}: {advice}"
        if error.errno is None:
            raise type(error)(f"{text}: {path}") from error
        # The number makes the class.
        raise OSError(error.errno, text, str(path)) from error


def make_folder(folder: Path) -> None:
    """Makes a folder, with those above it, so that it outlasts a loss of power."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        with contextlib.suppress(PermissionError):  # not each may be opened
            folder_to_disk(one.parent)


def write(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Writes a file that is on disk, under its name, once this returns.

    If anything fails, nothing of it is left, and a file of that name is as it was.

    Raises:
        OSError: if it cannot be written.
    """
    hidden, file = _begun(path)
    try:
        with file:
            for part in parts:
                file.write(part)
            file.flush()
            _to_disk(file)
            if sys.platform != "win32":
                # Still locked, so that nobody takes it for left over meanwhile.
                os.replace(hidden, path)
        if sys.platform == "win32":  # where files that are open cannot be moved
            os.replace(hidden, path)
    except BaseException:
        with contextlib.suppress(OSError):
            hidden.unlink()
        raise
    folder_to_disk(path.parent)


def _begun(path: Path) -> tuple[Path, BinaryIO]:
    """A new hidden file beside a path, open and locked."""
    while True:
        hidden = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        file = open(hidden, "xb")
        with contextlib.suppress(OSError):  # where the file system has no locks
            lock(file, wait=True)
        try:
            if os.path.samestat(os.fstat(file.fileno()), os.stat(hidden)):
                return hidden, file
        except FileNotFoundError:
            pass
        # Before it was locked somebody took it for left over, and removed it.
        file.close()


def clean(folder: Path, pattern: str) -> None:
    """Removes what interrupted writes have left of files whose names match a pattern.

    What another process is just writing stays, and so does all where the file system
    has no locks, since there the two look the same.
    """
    for hidden in folder.glob(f".{pattern}.*.tmp"):
        # Another process that cleans may be first.
        with contextlib.suppress(OSError):
            with open(hidden, "r+b") as file:
                left = lock(file)
                if left and sys.platform != "win32":
                    hidden.unlink()
            if left and sys.platform == "win32":
                hidden.unlink()


def _to_disk(file: BinaryIO) -> None:
    os.fsync(file.fileno())
    if sys.platform == "darwin":
        import fcntl

        # There fsync reaches the drive, and not always its platters.
        with contextlib.suppress(OSError):
            fcntl.fcntl(file.fileno(), fcntl.F_FULLFSYNC)


def folder_to_disk(folder: Path) -> None:
    """Has what a folder lists outlast a loss of power."""
    if sys.platform == "win32":  # where folders cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems have no such thing for folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
