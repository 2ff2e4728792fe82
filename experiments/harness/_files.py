"""Writes files whole, into folders that were looked at before the work began."""

import os
import tempfile
from pathlib import Path

__all__ = ["require_writable", "write"]

# About twice what all experiments write.
_SPACE = 2**24


def require_writable(folder: Path) -> None:
    """Looks whether files can be written to a folder, which need not exist yet.

    Nothing is left behind: where the folder is missing, the nearest one above it that
    exists is tried.

    Raises:
        OSError: the path leads through a file, may not be written to, or its disk is
            full.
    """
    absolute = folder.absolute()
    nearest = next(
        path for path in (absolute, *absolute.parents) if os.path.lexists(path)
    )
    if not nearest.is_dir():
        raise NotADirectoryError(
            f"results need a folder to be written to; {nearest} is none."
        )
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(bytes(_SPACE))
    except OSError as error:
        reason = f"results cannot be written to {nearest}: {error.strerror}"
        raise OSError(error.errno, reason) from error


def write(path: Path, content: str | bytes) -> None:
    """Writes a file whole or not at all: an interrupt leaves what was there before."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
