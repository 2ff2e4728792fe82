"""Saving arrays that have parts: a folder beside the file, written by all processes."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax
import numpy as np

from funclearn._processes import Together
from funclearn.checkpoints._errors import CheckpointError, Damage
from funclearn.checkpoints._files import folder_to_disk
from funclearn.checkpoints._folders import (
    Folder,
    digest,
    files_of,
    folders_of,
    new_folder,
    remove_folder,
)
from funclearn.checkpoints._keeping import path_of
from funclearn.checkpoints._reading import head_of
from funclearn.checkpoints._sharded import write_arrays

__all__ = ["clean_folders", "written_folder"]


@contextlib.contextmanager
def written_folder(
    place: Path, step: int, arrays: Mapping[str, jax.Array], together: Together
) -> Iterator[Folder | None]:
    """Writes arrays into a folder that no file tells of yet.

    Args:
        place: where checkpoints are.
        step: of the checkpoint.
        arrays: by their names; without any there is no folder.
        together: the processes, all of which call this.

    Yields:
        What the file is to say of it, which is to be written within; None without one.

    Raises:
        OSError: if it cannot be written.
        ValueError: if processes see different files in it.
    """
    if not arrays:
        yield None
        return
    with contextlib.ExitStack() as stack:
        name = ""
        with together.alike():
            if together.first:
                path, lock = new_folder(place, step)
                stack.enter_context(lock)
                name = path.name
        path = place / together.exchange(name)[0]
        try:
            with together.alike():
                write_arrays(path, arrays)
            yield _told(path, together)
        except BaseException:
            if together.first:
                with contextlib.suppress(OSError):
                    remove_folder(path)
            raise


def _told(path: Path, together: Together) -> Folder:
    """What is in a folder; each process reads a share of it."""
    with together.alike():
        sizes = files_of(path)
    seen = together.exchange([len(sizes), sum(sizes.values())])
    if any(one != seen[0] for one in seen):
        told = ", ".join(f"{files} files of {size} bytes" for files, size in seen)
        raise ValueError(
            f"folder must be one that all {together.count} processes share; in "
            f"{path} they see, in order, {told}."
        )
    own = np.zeros((len(sizes), 32), np.uint8)
    with together.alike():
        for number in range(together.number, len(sizes), together.count):
            read = digest(path / list(sizes)[number])
            own[number] = np.frombuffer(read, np.uint8)
        for one in {path, *((path / name).parent for name in sizes)}:
            folder_to_disk(one)
        folder_to_disk(path.parent)
    digests = together.gather(own)
    return Folder(
        path.name,
        {
            name: (size, digests[number % together.count, number].tobytes().hex())
            for number, (name, size) in enumerate(sizes.items())
        },
    )


def clean_folders(place: Path) -> None:
    """Removes the folders that no file tells of, and nobody is just writing to."""
    for folder, step in folders_of(place).items():
        with contextlib.suppress(OSError, Damage, CheckpointError):
            if _is_left(place, folder, step):
                remove_folder(folder, left=True)


def _is_left(place: Path, folder: Path, step: int) -> bool:
    if not path_of(place, step).exists():
        return True
    told = head_of(place, step).folder
    return told is None or told.name != folder.name
