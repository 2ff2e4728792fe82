"""Files of lines that grow, whole at any time."""

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
from jaxtyping import PyTree

from funclearn.running._rows import Format

__all__ = ["ROWS", "Text", "naming"]

ROWS = 65536
"""How many rows are read at once where a log is written anew."""


class Text:
    """A file of lines. It is opened for every append: one that vanished is noticed."""

    def __init__(self, path: Path, form: Format) -> None:
        self._path = path
        self._form = form
        self._size = 0
        self._rows = 0

    def append(self, start: int, rows: PyTree) -> None:
        if start != self._rows:
            raise ValueError(
                f"start must be {self._rows}, the number of rows in {self._path}; got "
                f"{start}."
            )
        with _opened(self._path, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size != self._size:
                raise OSError(
                    errno.EBUSY,
                    "Another program changed the size of the file while a run writes "
                    f"it, from {self._size} to {size} bytes",
                    str(self._path),
                )
            self._write(file, self._form.lines(start, rows))
        self._rows += len(jax.tree.leaves(rows)[0])

    def close(self) -> None:
        """There is nothing to close: the file is open while it is written only."""

    def mend(self, rows: int, read: Callable[[int, int], PyTree]) -> None:
        """Cuts the text after so many rows, or writes it anew."""
        self._size, self._rows = self._end(rows, read), rows
        with _opened(self._path, "ab") as file:
            with naming(self._path):
                file.truncate(self._size)
            if self._size == 0:
                self._write(file, self._lines(rows, read))

    def _lines(self, rows: int, read: Callable[[int, int], PyTree]) -> Iterator[bytes]:
        """The whole text."""
        yield self._form.head
        for start in range(0, rows, ROWS):
            stop = min(start + ROWS, rows)
            yield from self._form.lines(start, read(start, stop))

    def _end(self, rows: int, read: Callable[[int, int], PyTree]) -> int:
        """Where the line of the last row ends; 0 if the text is not as it must be."""
        if not self._path.exists():
            return 0
        end = 0
        with _opened(self._path, "rb") as file:
            for block in self._lines(rows, read):
                # The whole of it: a disk can damage any line.
                if not _begins_with(file, block):
                    return 0
                end += len(block)
        return end

    def _write(self, file: io.FileIO, blocks: Iterator[bytes]) -> None:
        """Adds all blocks, or none if there is no room for all."""
        before = self._size
        try:
            with naming(self._path):
                for block in blocks:
                    rest = memoryview(block)
                    while rest:
                        # A disk that is nearly full takes a part.
                        rest = rest[file.write(rest) :]
                    self._size += len(block)
        except BaseException:
            self._size = before
            # What was wrong first is what is told.
            with contextlib.suppress(OSError):
                file.truncate(before)
            raise


def _begins_with(file: io.FileIO, block: bytes) -> bool:
    """Whether what follows in a file is a block; reads as much."""
    rest = memoryview(block)
    while rest:
        part = file.read(len(rest))
        if not part or part != rest[: len(part)]:
            return False
        rest = rest[len(part) :]
    return True


def _opened(path: Path, mode: str) -> io.FileIO:
    """Opens a file without a buffer, which would be written again when it is closed."""
    if path.exists() and not path.is_file():
        # A pipe would wait for a reader.
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return io.FileIO(str(path), mode)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Gives errors of writing the name of the file; class and number stay."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
