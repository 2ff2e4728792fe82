"""Reading a checkpoint's file, and checking it against its own checksums."""

import contextlib
import functools
import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from funclearn.checkpoints._errors import Damage
from funclearn.checkpoints._folders import check_folder
from funclearn.checkpoints._format import layout, read_header
from funclearn.checkpoints._head import Head
from funclearn.checkpoints._keeping import path_of
from funclearn.checkpoints._leaves import DTYPES
from funclearn.checkpoints._sharded import place_of, read_arrays

__all__ = ["Opened", "head_of", "opened"]

_CHUNK = 1 << 20  # bytes that are read at a time where none are kept


class Opened:
    """A checkpoint whose head has been checked, and whose numbers have not.

    Attributes:
        head: what it says of itself.
    """

    def __init__(self, file: FileIO, size: int, place: Path) -> None:
        try:
            self.head, self._start = read_header(file.read, size)
        except OSError as error:
            raise Damage(f"it cannot be read: {error}") from error
        self._file, self._place = file, place
        entries = self.head.entries
        self._tensors = layout({name: entry.leaf for name, entry in entries.items()})

    def numbers(self, wanted: Collection[str] = ()) -> dict[str, np.ndarray]:
        """Reads all numbers and compares their checksums; returns those of some leaves.

        What lies in the folder of arrays is compared, and not returned.

        Args:
            wanted: the paths of these; the others take no memory.

        Raises:
            Damage: if a checksum is wrong.
        """
        entries, found = self.head.entries, {}
        longest = max(
            (one.end - one.start for one in self._tensors.values()), default=0
        )
        scratch = memoryview(bytearray(min(_CHUNK, longest)))
        self._file.seek(self._start)
        for name, tensor in self._tensors.items():
            leaf, sha256, _ = entries[name]
            size = tensor.end - tensor.start
            if name in wanted:
                # Each in memory of its own, so that none is kept for another's sake.
                read = np.empty(size, np.uint8)
                _filled(self._file, read.data)
                digest = hashlib.sha256(read.data)
                found[name] = read.view(DTYPES[leaf.dtype]).reshape(leaf.shape)
            else:
                digest = hashlib.sha256()
                for start in range(0, size, _CHUNK):
                    chunk = scratch[: min(_CHUNK, size - start)]
                    digest.update(_filled(self._file, chunk))
            if digest.hexdigest() != sha256:
                raise Damage(f"the checksum of {name} is wrong")
        if self.head.folder is not None:
            leaves = {one.name or "": one.leaf for one in self.head.arrays.values()}
            check_folder(self._place, self.head.folder, leaves)
        return found

    def arrays(self, likes: Mapping[str, Any]) -> dict[str, Any]:
        """The leaves in the folder of arrays, each where that of `likes` lies.

        Args:
            likes: by their paths the leaves that they are to be restored to.

        Raises:
            CheckpointError: if JAX would narrow the numbers.
            Damage: if they cannot be read.
        """
        folder, entries = self.head.folder, self.head.arrays
        if folder is None or not entries.keys() & likes.keys():
            return {}
        wanted = {
            entry.name or "": (path, entry.leaf, place_of(likes[path]))
            for path, entry in entries.items()
            if path in likes
        }
        read = read_arrays(self._place / folder.name, wanted)
        return {path: read[name] for name, (path, _, _) in wanted.items()}


def _filled(file: FileIO, buffer: memoryview) -> memoryview:
    done = 0
    while done < len(buffer):
        try:
            got = file.readinto(buffer[done:])
        except OSError as error:
            raise Damage(f"it cannot be read: {error}") from error
        if not got:
            raise Damage("its end is missing")
        done += got
    return buffer


@contextlib.contextmanager
def opened(path: Path, step: int) -> Iterator[Opened]:
    """Opens the checkpoint of a step.

    Raises:
        Damage: if its head is not whole, or that of another step.
        CheckpointError: if its format is newer than this library.
        OSError: if it cannot be opened.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
        raise Damage("it is no file")
    with open(path, "rb", buffering=0) as file:
        checkpoint = Opened(file, os.fstat(file.fileno()).st_size, path.parent)
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
