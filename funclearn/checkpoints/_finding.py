"""The newest whole checkpoint of a folder, or that of a step."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from funclearn.checkpoints._errors import CheckpointError, CheckpointWarning, Damage
from funclearn.checkpoints._files import explained
from funclearn.checkpoints._head import Head
from funclearn.checkpoints._keeping import listed, path_of
from funclearn.checkpoints._reading import Opened, opened

__all__ = ["Saved", "newest", "of_step", "saved_of"]

Found = TypeVar("Found")


class Saved(NamedTuple):
    """What a checkpoint says of itself.

    Attributes:
        path: the file.
        step: number of updates made.
        epoch: number of epochs made; None if the state has none.
        value: what the best one is told by.
        notes: the caller's.
        config: what the run was made with.
        data: the fingerprint of the data.
        format: the version of the format.
        time: when it was saved, in seconds since 1970.
    """

    path: Path
    step: int
    epoch: int | None
    value: float | None
    notes: dict[str, Any] | None
    config: dict[str, Any] | None
    data: str | None
    format: int
    time: float


def saved_of(path: Path, head: Head) -> Saved:
    """What the head of a file says of it."""
    names = [name for name in Saved._fields if name != "path"]
    return Saved(path, *(getattr(head, name) for name in names))


def of_step(folder: Path, step: int, use: Callable[[Path, Opened], Found]) -> Found:
    """What `use` makes of the checkpoint of a step.

    Raises:
        CheckpointError: if there is none, or it is damaged; and as `use` does.
        OSError: if it cannot be read.
    """
    with explained(folder, "the checkpoints could not be read"):
        steps = listed(folder)
    if step not in steps:
        there = ", ".join(map(str, sorted(steps))) or "none"
        raise CheckpointError(f"{folder} holds no step {step}; there are: {there}.")
    path = path_of(folder, step)
    try:
        with _opened(path, step) as checkpoint:
            return use(path, checkpoint)
    except _Gone:
        raise CheckpointError(f"{path} was removed meanwhile.") from None
    except Damage as damage:
        raise CheckpointError(f"{path} is damaged: {damage}.") from None


def newest(
    folder: Path, use: Callable[[Path, Opened], Found], most: int | None = None
) -> Found | None:
    """What `use` makes of the newest whole checkpoint; None if there is none.

    Args:
        folder: where checkpoints are.
        use: is given a file and what it holds.
        most: the last step to look at; None looks at all.

    Raises:
        CheckpointError: if its format is newer than this library; and as `use` does.
        OSError: if it cannot be read.
    """
    passed: set[Path] = set()
    while True:
        with explained(folder, "the checkpoints could not be read"):
            paths = {s: p for s, p in listed(folder).items() if p not in passed}
        for step, path in paths.items():
            passed.add(path)
            if most is not None and step > most:
                continue
            try:
                with _opened(path, step) as checkpoint:
                    return use(path, checkpoint)
            except _Gone:
                # Another process has removed it; it may have saved newer ones.
                break
            except Damage as damage:
                if not path.exists():  # its folder goes after it
                    break
                text = f"{path} is damaged and was passed over: {damage}."
                warnings.warn(text, CheckpointWarning, stacklevel=4)
        else:
            return None


class _Gone(Exception):
    """A file was removed after its folder was listed."""


@contextlib.contextmanager
def _opened(path: Path, step: int) -> Iterator[Opened]:
    """Opens a checkpoint, and puts its name before what is said of it."""
    with contextlib.ExitStack() as stack:
        try:
            with explained(path, "the checkpoint could not be read"):
                checkpoint = stack.enter_context(opened(path, step))
        except FileNotFoundError as error:
            raise _Gone from error
        except CheckpointError as error:
            raise CheckpointError(f"{path} {error}") from None
        try:
            yield checkpoint
        except CheckpointError as error:
            raise CheckpointError(f"{path} {error}") from None
