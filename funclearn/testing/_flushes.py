"""What a loss of power takes: the bytes that have not reached the disk.

Linux (since 6.5) tells how many pages of a file it still has to write. A process that
is killed loses nothing of them; a machine that loses power does. A file without such
pages has been flushed after its last write, by `fsync` or in the background.

What is not seen: a renaming or a removal that has not reached the disk while the file's
bytes have, so that none is simulated; which of the earlier bytes of a file that was
changed several times were flushed: all are taken for safe; and whether a folder was
flushed: the name of a new file whose bytes are lost may be lost with them.
"""

import ctypes
import os
import random
import sys
import tempfile
from pathlib import Path

from funclearn.testing._watching import Growth

__all__ = ["damaged", "sees_flushes", "unflushed"]

_CACHESTAT = 451
"""The number of the system call; one for all processors but Alpha."""


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _Pages(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in ("cached", "dirty", "in_writing", "evicted", "lately_evicted")
    )


def unflushed(path: Path) -> bool:
    """Whether the kernel has bytes of a file that it still has to write to the disk."""
    if sys.platform != "linux":
        return False
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    pages, whole = _Pages(), _Range(0, 0)
    try:
        failed = ctypes.CDLL(None).syscall(
            ctypes.c_long(_CACHESTAT),
            ctypes.c_uint(file),
            ctypes.byref(whole),
            ctypes.byref(pages),
            ctypes.c_uint(0),
        )
    finally:
        os.close(file)
    return not failed and pages.dirty + pages.in_writing > 0


def sees_flushes(folder: Path) -> bool:
    """Whether `unflushed` can tell in this folder: not so on a tmpfs, for example."""
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        probe = Path(inside) / "probe"
        with open(probe, "wb") as file:
            file.write(b"0")
            file.flush()
            before = unflushed(probe)
            os.fsync(file.fileno())
        return before and not unflushed(probe)


def damaged(path: Path, growth: Growth, new: bool, rng: random.Random) -> str | None:
    """Takes from an unflushed file what a loss of power may take; says what in words.

    That is at most what its last change added.

    Args:
        path: the file.
        growth: what was seen of its size.
        new: whether its name came up in this run.
        rng: chooses between the ways.

    Returns:
        None where nothing can be taken.
    """
    size, safe = path.stat().st_size, growth.before
    if size <= safe:
        return None
    left = [safe, safe + (size - safe) // 2, None]
    kept = rng.choice(left if new and safe == 0 else left[:2])
    if kept is None:
        path.unlink()
        return "missing"
    os.truncate(path, kept)
    return f"cut to {kept} of its {size} bytes" if kept else "empty"
