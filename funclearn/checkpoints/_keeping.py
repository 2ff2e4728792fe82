"""Which checkpoints a folder holds, and which of them are kept."""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path

from funclearn._words import described

__all__ = ["PATTERN", "folder_of", "listed", "path_of", "superfluous"]

PATTERN = "checkpoint-*.safetensors"
"""Matches the names of all checkpoints."""

_NAME = re.compile(r"checkpoint-(\d{12,})\.safetensors")


def folder_of(folder: object) -> Path:
    """A folder as it was given.

    Raises:
        TypeError: if it is no path.
    """
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder must be a path; got {described(folder)}.")
    return Path(os.fsdecode(folder)).expanduser()


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step is."""
    return folder / f"checkpoint-{step:012}.safetensors"


def listed(folder: Path) -> dict[int, Path]:
    """The files that by their names are checkpoints, by step, the newest first.

    Raises:
        OSError: if there is something else than a folder.
    """
    try:
        paths = list(folder.iterdir())
    except FileNotFoundError:
        return {}
    steps = {path: _NAME.fullmatch(path.name) for path in paths}
    found = {int(match[1]): path for path, match in steps.items() if match}
    # More zeros than usual are a name that nobody gave.
    return {
        step: found[step]
        for step in sorted(found, reverse=True)
        if found[step].name == path_of(folder, step).name
    }


def superfluous(
    values: Mapping[int, float | None], step: int, keep: int, direction: str
) -> list[int]:
    """The steps of the checkpoints that are not kept.

    Kept are the last up to `step`, the best of all, and those of later steps, which
    are another run's or of a time before this one went back.

    Args:
        values: of every checkpoint; None where it has none, or cannot be read.
        step: that of the newest one.
        keep: how many of the last are kept.
        direction: of the best value, `"min"` or `"max"`.
    """
    sign = 1 if direction == "min" else -1
    known = {
        one: sign * value
        for one, value in values.items()
        if value is not None and not math.isnan(value)
    }
    # Of equal ones the first, which then never has to give way.
    best = min(known, key=lambda one: (known[one], one), default=None)
    earlier = sorted((one for one in values if one <= step), reverse=True)
    return [one for one in earlier[keep:] if one != best]
