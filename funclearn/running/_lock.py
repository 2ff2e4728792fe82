"""A lock on a folder, so that no two runs write to it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from funclearn._locks import lock

__all__ = ["locked"]

_NAME = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder.

    Raises:
        OSError: if its file system has no locks.
        ValueError: if another run holds it.
    """
    path = folder / _NAME
    with path.open("a+b") as file:
        if not lock(file):
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
