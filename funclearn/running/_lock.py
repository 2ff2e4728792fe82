"""A lock on a folder that ends with the process that holds it, however that ends."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["locked"]

_NAME = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder, so that no two runs write to it.

    The lock is the operating system's, on an open file: it survives nobody.

    Raises:
        ValueError: if another run holds it.
    """
    path = folder / _NAME
    with path.open("a+b") as file:
        if not _lock(file.fileno()):
            file.seek(0)
            holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
            raise ValueError(
                f"folder is in use: process {holder} runs in {folder}; wait for it, or "
                "take another folder."
            )
        file.truncate(0)
        file.write(str(os.getpid()).encode("ascii"))
        file.flush()
        yield


def _lock(descriptor: int) -> bool:
    """Whether the lock could be had; closing the file gives it back."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        try:
            # Beyond what the file holds, which others may still read.
            os.lseek(descriptor, 1024, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
