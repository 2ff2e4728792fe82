"""Writes files whole, into folders that were looked at before the work began."""

import contextlib
import os
import tempfile
from pathlib import Path

__all__ = ["PAGE", "require_folder", "require_writable", "write"]

PAGE = ("index.html", "summary.json")
"""The files of all results."""


# About twice what all experiments write.
_SPACE = 2**24


def require_writable(folder: Path, *names: str) -> None:
    """Looks whether results can be written to a folder, which need not exist yet.

    Args:
        folder: the folder of all results, with the page.
        *names: the folders within it that are to be written.

    Raises:
        OSError: one of them cannot be written, as `require_folder` says, or there is a
            folder where a file is to be.
        ValueError: the path holds a zero byte.
    """
    for place in (folder, *(folder / name for name in names)):
        require_folder(place, "results", "--out")
        for name in PAGE:
            if (place / name).is_dir():
                raise IsADirectoryError(
                    f"results need a file; {place / name} is a folder: move it, or "
                    "choose another one with --out."
                )


def require_folder(folder: Path, what: str, option: str) -> None:
    """Looks whether files can be written to a folder, which need not exist yet.

    Nothing is left behind: where the folder is missing, the nearest one above it that
    exists is tried.

    Args:
        folder: where to write.
        what: is to be written.
        option: names the folder.

    Raises:
        OSError: a path leads through a file, may not be written to, is none that the
            system has, or its disk is full.
        ValueError: it holds a zero byte.
    """
    nearest = folder
    try:
        # Only that something is missing is no reason against it.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(folder)
        absolute = folder.absolute()
        nearest = next(
            path for path in (absolute, *absolute.parents) if os.path.lexists(path)
        )
        if not nearest.is_dir():
            raise NotADirectoryError(
                f"{what} need a folder to be written to; {nearest} is none."
            )
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(bytes(_SPACE))
    except OSError as error:
        if error.errno is None:
            raise
        reason = (
            f"{what} cannot be written to {nearest}: {error.strerror}; choose another "
            f"folder with {option}"
        )
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
