"""Reading a checkpoint's file, and checking it against its own checksums."""

import contextlib
import functools
import hashlib
import os
import stat
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import numpy as np

from funclearn.checkpoints._errors import Damage
from funclearn.checkpoints._format import Head, layout, read_header
from funclearn.checkpoints._keeping import path_of
from funclearn.checkpoints._leaves import DTYPES

__all__ = ["Opened", "head_of", "opened"]

_CHUNK = 1 << 20  # bytes that are read at a time where none are kept


class Opened:
    """A checkpoint whose head has been checked, and whose numbers have not.

    Attributes:
        head: what it says of itself.
    """

    def __init__(self, file: FileIO, size: int) -> None:
        self.head, self._start = read_header(file, size)
        self._file = file
        entries = self.head.entries
        self._tensors = layout({name: entry.leaf for name, entry in entries.items()})

    def check(self) -> None:
        """Reads all numbers, keeping none, and compares their checksums.

        Raises:
            Damage: if one is wrong.
        """
        entries, buffer = self.head.entries, memoryview(bytearray(_CHUNK))
        self._file.seek(self._start)
        for name, tensor in self._tensors.items():
            digest, left = hashlib.sha256(), tensor.end - tensor.start
            while left:
                got = _filled(self._file, buffer[: min(left, _CHUNK)])
                digest.update(got)
                left -= len(got)
            _compare(name, digest.hexdigest(), entries[name].sha256)

    def numbers(self) -> dict[str, np.ndarray]:
        """The numbers of all leaves by path.

        Raises:
            Damage: if a checksum is wrong.
        """
        entries, found = self.head.entries, {}
        self._file.seek(self._start)
        for name, tensor in self._tensors.items():
            leaf, sha256 = entries[name]
            # Each in memory of its own, so that one is not kept for another's sake.
            read = np.empty(tensor.end - tensor.start, np.uint8)
            _filled(self._file, read.data)
            _compare(name, hashlib.sha256(read.data).hexdigest(), sha256)
            found[name] = read.view(DTYPES[leaf.dtype]).reshape(leaf.shape)
        return found


def _filled(file: FileIO, buffer: memoryview) -> memoryview:
    done = 0
    while done < len(buffer):
        got = file.readinto(buffer[done:])
        if not got:
            raise Damage("its end is missing")
        done += got
    return buffer


def _compare(name: str, got: str, needed: str) -> None:
    if got != needed:
        raise Damage(f"the checksum of {name} is wrong")


@contextlib.contextmanager
def opened(path: Path, step: int) -> Iterator[Opened]:
    """Opens the checkpoint of a step.

    Raises:
        Damage: if its head is not whole, or that of another step.
        CheckpointError: if its format is newer than this library.
        OSError: if it cannot be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
        raise Damage("it is no file")
    with open(path, "rb", buffering=0) as file:
        checkpoint = Opened(file, os.fstat(file.fileno()).st_size)
        if checkpoint.head.step != step:
            raise Damage(
                f"it holds step {checkpoint.head.step} under the name of step {step}"
            )
        yield checkpoint


def head_of(folder: Path, step: int) -> Head:
    """The head of a checkpoint, which is read once as long as the file is the same.

    Raises:
        Damage, CheckpointError, OSError: as `opened` does.
    """
    path = path_of(folder, step).absolute()
    facts = os.stat(path)
    return _head_of(path, step, facts.st_ino, facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(maxsize=64)
def _head_of(path: Path, step: int, *_version: int) -> Head:
    with opened(path, step) as checkpoint:
        return checkpoint.head
