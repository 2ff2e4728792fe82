"""The newest whole checkpoint of a folder, or that of a step."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from funclearn.checkpoints._errors import CheckpointError, CheckpointWarning, Damage
from funclearn.checkpoints._files import explained
from funclearn.checkpoints._format import Head
from funclearn.checkpoints._keeping import listed, path_of
from funclearn.checkpoints._reading import Opened, opened

__all__ = ["Saved", "newest", "of_step", "saved_of"]


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
    names = [name for name in Saved._fields if name != "path"]
    return Saved(path, *(getattr(head, name) for name in names))


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Puts the file before what is wrong with it."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None


def of_step(folder: Path, step: int, use: Callable[[Path, Opened], Any]) -> Any:
    """What `use` makes of the checkpoint of a step."""
    path = path_of(folder, step)
    failure = "the checkpoint could not be read"
    with explained(folder, failure):
        steps = listed(folder)
    if step not in steps:
        there = ", ".join(map(str, sorted(steps))) or "none"
        raise CheckpointError(f"{folder} holds no step {step}; there are: {there}.")
    with explained(path, failure), _naming(path):
        try:
            with opened(path, step) as checkpoint:
                return use(path, checkpoint)
        except Damage as damage:
            raise CheckpointError(f"it is damaged: {damage}.") from None


def newest(folder: Path, use: Callable[[Path, Opened], Any]) -> Any:
    """What `use` makes of the newest whole checkpoint; None if there is none."""
    passed: set[Path] = set()
    while True:
        with explained(folder, "the checkpoints could not be read"):
            paths = {s: p for s, p in listed(folder).items() if p not in passed}
        for step, path in paths.items():
            passed.add(path)
            try:
                with explained(path, "the checkpoint could not be read"):
                    with _naming(path), opened(path, step) as checkpoint:
                        return use(path, checkpoint)
            except FileNotFoundError:
                # Another process has saved newer ones, and removed this one.
                break
            except (Damage, OSError) as damage:
                if isinstance(damage, PermissionError):
                    raise
                text = f"{path} is damaged and passed over: {damage}"
                warnings.warn(text, CheckpointWarning, stacklevel=3)
        else:
            return None
