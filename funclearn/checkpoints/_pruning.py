"""Removing checkpoints that are not kept."""

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any

from funclearn._checks import check_direction, integer_at_least
from funclearn.checkpoints._beside import clean_folders
from funclearn.checkpoints._errors import CheckpointError, CheckpointWarning, Damage
from funclearn.checkpoints._files import clean, explained
from funclearn.checkpoints._keeping import (
    PATTERN,
    folder_of,
    listed,
    path_of,
    superfluous,
)
from funclearn.checkpoints._reading import head_of
from funclearn.checkpoints._restoring import latest

__all__ = ["prune", "remove"]


def prune(
    folder: str | os.PathLike[str],
    *,
    step: Any = None,
    keep: int = 3,
    direction: str = "min",
) -> list[Path]:
    """Removes the checkpoints that `save` would not have kept.

    `save` removes them itself, unless it is killed just before. Whoever goes on from a
    checkpoint and may have nothing more to save calls this.

    What interrupted saves have left is removed, too. In several processes that share
    the folder, one of them calls this.

    Args:
        folder: where states were saved.
        step: that of the checkpoint that is gone on with, the last that counts: those
            of later steps stay. The newest whole one if None.
        keep: how many of the last are kept; the best is kept beside them.
        direction: of the best value, `"min"` or `"max"`.

    Returns:
        The files that were removed, the newest first.

    Raises:
        OSError: if the folder cannot be read. A file that cannot be removed is a
            `CheckpointWarning`.
        TypeError: if an argument is of a wrong type.
        ValueError: if one is out of range.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> for step in range(5):
        ...     _ = fl.checkpoints.save(folder, {"w": jnp.ones(2)}, step=step, keep=5)
        >>> [path.name for path in fl.checkpoints.prune(folder, keep=4)]
        ['checkpoint-000000000000.safetensors']
    """
    place = folder_of(folder)
    keep = integer_at_least("keep", keep, 1)
    check_direction("direction", direction)
    if step is None:
        newest = latest(place)
        step = -1 if newest is None else newest.step
    else:
        step = integer_at_least("step", step, 0)
    with explained(place, "the checkpoints could not be looked through"):
        clean(place, PATTERN)
        return remove(place, step, keep, direction)


def remove(place: Path, step: int, keep: int, direction: str) -> list[Path]:
    """Removes what is not kept once the one of `step` is there; gives what went."""
    values = {one: _value_of(place, one) for one in listed(place)}
    gone = []
    for one in superfluous(values, step, keep, direction):
        path = path_of(place, one)
        try:
            path.unlink(missing_ok=True)  # another process may have been first
        except OSError as error:
            # The new one is on disk: that is no reason to stop a run.
            text = f"{path} is no longer needed and could not be removed: {error}"
            warnings.warn(text, CheckpointWarning, stacklevel=3)
        else:
            gone.append(path)
    with contextlib.suppress(OSError):
        clean_folders(place)
    return gone


def _value_of(folder: Path, step: int) -> float | None:
    """The value that a checkpoint was saved with; None if it cannot be told."""
    try:
        return head_of(folder, step).value
    except (CheckpointError, Damage, OSError):
        return None
