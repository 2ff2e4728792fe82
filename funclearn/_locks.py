"""Locks of the operating system, which end with their process, however it ends."""

import os
import sys
import time
from typing import BinaryIO

__all__ = ["lock"]

# Beyond what files hold: on Windows nobody else may read what is locked.
_AT = 2**30

_LOOKS = 0.05  # seconds between two looks where the system cannot wait by itself


def lock(file: BinaryIO, *, wait: bool = False) -> bool:
    """Locks an open file against all others that lock it, until it is closed.

    Args:
        file: one that may be written to. Its position stays.
        wait: whether to wait for whoever holds it.

    Returns:
        Whether it could be had; if not, another one holds it.

    Raises:
        OSError: if the file system has no locks, as some of networks.
    """
    if sys.platform == "win32":
        while not _locked_on_windows(file.fileno()):
            if not wait:
                return False
            time.sleep(_LOOKS)
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _locked_on_windows(descriptor: int) -> bool:
    import msvcrt

    before = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, _AT, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except PermissionError:
        return False
    finally:
        os.lseek(descriptor, before, os.SEEK_SET)
    return True
