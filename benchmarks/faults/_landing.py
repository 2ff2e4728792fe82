"""Places within a save where a process ends itself by SIGKILL.

They are told by what Python asks of the operating system, whichever code asks.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["PLACES", "kill_at"]

_CHECKPOINT, _ROWS, _FOLDER = "checkpoint", "rows", "folder"

PLACES = (
    "rows half written",
    "rows not flushed",
    "rows flushed",
    "before the temporary file",
    "temporary file empty",
    "temporary file half written",
    "temporary file not flushed",
    "before the renaming",
    "folder not flushed",
    "folder flushed",
    "before the pruning",
)
"""Where, in the order of a save."""


def kill_at(place: str, number: int, folder: Path) -> None:
    """Arranges that this process is killed when it gets to a place so many times.

    Args:
        place: one of `PLACES`.
        number: how many times, from 1.
        folder: the folder of the run.
    """
    left = number
    sizes: dict[str, int] = {}

    def due(at: str) -> bool:
        nonlocal left
        left -= at == place
        return at == place and left == 0

    def end() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def shorten(descriptor: int, path: str, share: float) -> None:
        before = sizes["rows"] if path.endswith(".rows") else 0
        size = os.fstat(descriptor).st_size
        os.ftruncate(descriptor, before + int((size - before) * share))
        end()

    flush = os.fsync

    def fsync(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        kind = _kind(path, folder)
        if kind == _ROWS and due("rows half written"):
            shorten(descriptor, path, 0.5)
        if kind == _CHECKPOINT and due("temporary file empty"):
            shorten(descriptor, path, 0.0)
        if kind == _CHECKPOINT and due("temporary file half written"):
            shorten(descriptor, path, 0.5)
        before = {
            _CHECKPOINT: "temporary file not flushed",
            _ROWS: "rows not flushed",
            _FOLDER: "folder not flushed",
        }
        if kind in before and due(before[kind]):
            end()
        flush(descriptor)
        if (kind == _FOLDER and due("folder flushed")) or (
            kind == _ROWS and due("rows flushed")
        ):
            end()

    os.fsync = fsync
    sys.addaudithook(_hook(due, end, sizes))


def _hook(
    due: Callable[[str], bool], end: Callable[[], None], sizes: dict[str, int]
) -> Callable[[str, tuple[Any, ...]], None]:
    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename", "os.remove"):
            return
        name = str(arguments[0])
        hidden = name.endswith(".tmp")
        if event == "open" and name.endswith(".rows") and "a" in str(arguments[1]):
            # What the rows that follow are added to.
            sizes["rows"] = os.path.getsize(name) if os.path.exists(name) else 0
            return
        if event == "open" and hidden and "x" in str(arguments[1]):
            at = "before the temporary file"
        elif event == "os.rename" and hidden:
            at = "before the renaming"
        elif event == "os.remove" and name.endswith(".safetensors"):
            at = "before the pruning"
        else:
            return
        if due(at):
            end()

    return hook


def _kind(path: str, folder: Path) -> str | None:
    if path == str(folder.resolve()):
        return _FOLDER
    if path.endswith(".rows"):
        return _ROWS
    return _CHECKPOINT if path.endswith(".tmp") else None
