"""The changes of a folder, as the operating system reports them."""

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Changes", "Growth", "watching"]

_KINDS = frozenset({"created", "modified", "moved", "deleted"})
"""What counts as a write: not that a file is opened or closed."""

_POLL = 0.001
"""Seconds between two looks at a folder that nobody reports on."""

_MARK = ".funclearn-last-report"
_PATIENCE = 1.0
"""Seconds to wait for the report on the mark. It takes some milliseconds."""


class Growth(NamedTuple):
    """What was seen of the size of a file.

    Attributes:
        before: bytes before its last change; 0 where it was not there.
        now: bytes after it.
    """

    before: int
    now: int


class Changes:
    """Counts the changes of a folder.

    Attributes:
        count: how many there have been.
        grown: by file what was seen of its size; empty where changes are polled, since
            several may pass between two looks.
        first: the clock's time at the first change, None before it.
        last: that at the last.
    """

    def __init__(self, sizes: dict[Path, int]) -> None:
        """Starts from the sizes of the files that are there."""
        self.count = 0
        self.grown: dict[Path, Growth] = {}
        self.first: float | None = None
        self.last: float | None = None
        self._sizes = sizes
        self._changed = threading.Condition()
        self._limit, self._act = 0, _nothing

    def add(self, count: int = 1) -> None:
        """Notes that something changed."""
        with self._changed:
            self.count += count
            self.last = time.monotonic()
            self.first = self.first or self.last
            self._changed.notify_all()
            if self.count >= self._limit:
                self._act()

    def at(self, limit: int, act: Callable[[], object]) -> None:
        """Acts at every change from the one that makes them so many.

        The thread that takes the report acts, since waking another loses time.
        """
        with self._changed:
            self._limit, self._act = limit, act
            if self.count >= limit:
                act()

    def note(self, kind: str, path: Path, target: Path | None) -> None:
        """Notes the change of one file, and what it did to its size."""
        if kind == "moved" and target is not None:
            # The bytes keep their history under the new name.
            if path in self.grown:
                self.grown[target] = self.grown.pop(path)
            self._sizes[target] = self._sizes.pop(path, 0)
            path = target
        elif kind == "deleted":
            self.grown.pop(path, None)
            self._sizes.pop(path, None)
        # Also of what was renamed: it may have been by the time its writes are told.
        if kind != "deleted":
            before, now = self._sizes.get(path, 0), _size(path)
            if now != before:
                self.grown[path] = Growth(before, now)
                self._sizes[path] = now
        self.add()

    def wait(self, count: int, seconds: float) -> None:
        """Returns once there are more than `count`, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self.count > count, max(seconds, 0))

    def settle(self) -> None:
        """Returns once everything that happened so far has been counted."""


class _Reported(Changes):
    """Changes that the library watchdog hands on."""

    def __init__(self, folder: Path) -> None:
        super().__init__({path: _size(path) for path in _files(folder)})
        self._mark = folder / _MARK
        self._marked = threading.Event()

    def dispatch(self, event: Any) -> None:
        """Takes a report: watchdog's name for it."""
        path = Path(os.fsdecode(event.src_path))
        if path.name == _MARK:
            if event.event_type == "deleted":
                self._marked.set()
            return
        # A folder is modified by what happens to its files, which is told besides.
        of_folder = event.is_directory and event.event_type == "modified"
        if event.event_type in _KINDS and not of_folder:
            target = event.dest_path
            moved = Path(os.fsdecode(target)) if target else None
            self.note(event.event_type, path, moved)

    def settle(self) -> None:
        # Reports come in the order of the changes: the last one ends the wait.
        self._marked.clear()
        try:
            self._mark.touch()
            self._mark.unlink()
        except OSError:  # the script took the folder away
            return
        self._marked.wait(_PATIENCE)


class _Polled(Changes):
    """Changes that repeated looks at the folder find."""

    def __init__(self, folder: Path) -> None:
        super().__init__({})
        self._folder = folder
        self._seen = _look(folder)

    def wait(self, count: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._look()
        while self.count <= count and time.monotonic() < end:
            time.sleep(_POLL)
            self._look()

    def settle(self) -> None:
        self._look()

    def _look(self) -> None:
        seen = _look(self._folder)
        if changed := len(dict(seen.items() ^ self._seen.items())):
            self.add(changed)
        self._seen = seen


@contextmanager
def watching(folder: Path) -> Iterator[Changes]:
    """Counts the changes of a folder while the block runs.

    Args:
        folder: an existing folder; what it contains is watched as well.

    Yields:
        The changes: as watchdog reports them, or by looking every millisecond where
        watchdog is not installed or the operating system has no watches left.
    """
    try:
        from watchdog.observers import Observer

        changes, observer = _Reported(folder), Observer()
        # Only `dispatch` is asked for; the base class would need watchdog at import.
        observer.schedule(changes, str(folder), recursive=True)  # pyright: ignore[reportArgumentType]
        observer.start()
    except (ImportError, OSError):
        yield _Polled(folder)
        return
    try:
        with warnings.catch_warnings():
            # Of folders made quickly one within the other, watchdog hears twice, says
            # so, and would lose its thread where warnings are errors.
            warnings.filterwarnings("ignore", module="watchdog")
            yield changes
    finally:
        observer.stop()
        observer.join()


def _nothing() -> None:
    """Nothing is to be done at a change."""


def _files(folder: Path) -> Iterator[Path]:
    for path, _, names in os.walk(folder):
        yield from (Path(path, name) for name in names)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _look(folder: Path) -> dict[str, tuple[int, ...]]:
    """By name what changes with every write."""
    seen = {}
    for path, folders, names in os.walk(folder):
        for name in (*folders, *names):
            full = os.path.join(path, name)
            try:
                status = os.stat(full, follow_symlinks=False)
            except OSError:  # gone since
                continue
            size = () if name in folders else (status.st_size, status.st_mtime_ns)
            seen[full] = (status.st_ino, *size)
    return seen
