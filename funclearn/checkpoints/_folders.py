"""The folders of arrays beside the files of checkpoints.

    checkpoint-000000000012.safetensors     tells the name and all files of
    checkpoint-000000000012-1f2e3d4c.orbax  and is written once these are on disk

So a folder that no file tells of is what an interrupted save has left. While it is
written to, a file in it is locked, by which others see that it is not left over.
"""

import contextlib
import hashlib
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from funclearn._locks import lock
from funclearn.checkpoints._errors import Damage
from funclearn.checkpoints._leaves import DTYPES, Leaf

__all__ = [
    "Folder",
    "check_folder",
    "digest",
    "files_of",
    "folders_of",
    "new_folder",
    "remove_folder",
]

_LOCK = "lock"
_NAME = re.compile(r"checkpoint-(\d{12,})-[0-9a-f]{8}\.orbax")
_CHUNK = 1 << 20
_META = ".zarray"


class Folder(NamedTuple):
    """What a checkpoint says of its folder of arrays.

    Attributes:
        name: of the folder, beside the file.
        files: by their paths in it, the size and the SHA-256 of each.
    """

    name: str
    files: dict[str, tuple[int, str]]


def new_folder(place: Path, step: int) -> tuple[Path, BinaryIO]:
    """Makes a folder for the arrays of a step; returns it and what locks it."""
    folder = place / f"checkpoint-{step:012}-{secrets.token_hex(4)}.orbax"
    folder.mkdir()
    file = open(folder / _LOCK, "xb")
    with contextlib.suppress(OSError):  # where the file system has no locks
        lock(file, wait=True)
    return folder, file


def folders_of(place: Path) -> dict[Path, int]:
    """The folders of arrays, with the step of each."""
    found = {path: _NAME.fullmatch(path.name) for path in place.iterdir()}
    return {path: int(match[1]) for path, match in found.items() if match}


def remove_folder(folder: Path, *, left: bool = False) -> None:
    """Removes a folder.

    Args:
        folder: which.
        left: if it was left over, which it is not while somebody writes to it.

    Raises:
        OSError: if it cannot be removed.
    """
    if left:
        with contextlib.suppress(FileNotFoundError):
            with open(folder / _LOCK, "r+b") as file:
                if not lock(file):
                    return
    shutil.rmtree(folder)


def files_of(folder: Path) -> dict[str, int]:
    """The files in a folder, in order, with their sizes.

    Raises:
        Damage: if there is something that is neither a file nor a folder.
        OSError: if it cannot be read.
    """

    def visit(place: Path, before: str) -> Iterator[tuple[str, int]]:
        with os.scandir(place) as found:
            inside = list(found)
        for one in inside:
            name = f"{before}{one.name}"
            if one.is_dir(follow_symlinks=False):
                yield from visit(place / one.name, f"{name}/")
            elif not one.is_file(follow_symlinks=False):
                raise Damage(f"{folder.name}/{name} is no file")
            elif name != _LOCK:
                yield name, one.stat(follow_symlinks=False).st_size

    return dict(sorted(visit(folder, "")))


def digest(path: Path) -> bytes:
    """The SHA-256 of a file."""
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").digest()


def check_folder(place: Path, folder: Folder, leaves: Mapping[str, Leaf]) -> None:
    """Compares all files with what was written, before anything is read of them.

    Args:
        place: where the folder is.
        folder: what there must be.
        leaves: what the arrays in it are, by the names of their folders.

    Raises:
        Damage: if anything differs.
    """
    path = place / folder.name
    if not _NAME.fullmatch(folder.name):
        raise Damage("its head names no folder of arrays")
    try:
        sizes = files_of(path)
        for name, (size, _) in folder.files.items():
            if sizes.get(name) != size:
                got = f"has {sizes[name]} bytes" if name in sizes else "is missing"
                raise Damage(f"{folder.name}/{name}, of {size} bytes, {got}")
        for name in sizes.keys() - folder.files.keys():
            raise Damage(f"{folder.name}/{name} was not written with it")
        for name, leaf in leaves.items():
            _check_array(path, folder, name, leaf)
        for name, (_, sha256) in folder.files.items():
            if digest(path / name).hex() != sha256:
                raise Damage(f"the checksum of {folder.name}/{name} is wrong")
    except OSError as error:
        raise Damage(f"its folder of arrays cannot be read: {error}") from error


def _check_array(path: Path, folder: Folder, name: str, leaf: Leaf) -> None:
    """Refuses an array that would take other memory than its files do.

    Raises:
        Damage: if it would.
    """
    inside = [
        size
        for file, (size, _) in folder.files.items()
        if file.startswith(f"{name}/") and file != f"{name}/{_META}"
    ]
    needed = math.prod(leaf.shape) * DTYPES[leaf.dtype].itemsize
    if sum(inside) != needed or f"{name}/{_META}" not in folder.files:
        raise Damage(f"{folder.name}/{name} holds other numbers than its head says")
    try:
        with open(path / name / _META, "rb") as file:
            facts = json.loads(file.read(_CHUNK))
        lengths = zip(facts["chunks"], leaf.shape, strict=True)
        right = (
            facts["shape"] == list(leaf.shape)
            and facts["compressor"] is None
            and all(0 < chunk <= length for chunk, length in lengths)
        )
    except (ValueError, KeyError, TypeError):
        right = False
    if not right:
        raise Damage(f"{folder.name}/{name}/{_META} is not that of its array")
