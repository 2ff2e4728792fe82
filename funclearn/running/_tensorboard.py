"""History as event files for TensorBoard."""

import os
import struct
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int, PyTree, Real

from funclearn.running._rows import columns, entries, places
from funclearn.running._text import ROWS, naming

__all__ = ["Events", "drawn", "open_events"]

# Three digits of an epoch: 900 points for every power of ten, about as many as
# TensorBoard itself keeps of a curve.
_DIGITS = 3

# A flush goes through to the disk, which may take as long as many epochs.
_SECONDS = 2.0

_NAME = "events.out.tfevents."


def drawn(start: int, stop: int) -> Int[np.ndarray, " points"]:
    """The epochs from `start + 1` to `stop` that become points.

    Those are all up to 1000, then those of three digits and zeros: 1010, 1020 and so
    on, 10100, 10200 and so on. It does not depend on how a run was cut into chunks.
    """
    parts = [np.zeros(0, np.int64)]
    low, step = 1, 1
    while low <= stop:
        high = step * 10**_DIGITS
        first = max(low, start + 1)
        first += -first % step
        parts.append(np.arange(first, min(high, stop) + 1, step))
        low, step = high + 1, 10 * step
    return np.concatenate(parts)


def open_events(
    folder: Path, row: PyTree, rows_before: int, read: Callable[[int, int], PyTree]
) -> "Events":
    """Begins an event file, and adds the points that those before it lack.

    TensorBoard is told to forget what earlier files hold from there on, so that no
    point is shown twice.

    Args:
        folder: where event files are.
        row: as for `open_log`, like the next two.
        rows_before: the number of rows that the run starts from.
        read: the rows between two epochs.

    Raises:
        ImportError: if tensorboardX is missing.
        OSError: if a file cannot be read or written; it names the file.
    """
    names = columns(row)
    _package()
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(folder.glob(f"{_NAME}*"))
    shown = _shown(files)
    wanted = drawn(0, rows_before).tolist()
    begin = next((step for step in wanted if step not in shown), rows_before + 1)
    numbers = [int(part) for file in files if (part := file.suffix[1:]).isdecimal()]
    # TensorBoard reads files in the order of their names, whatever the clock says.
    path = folder / f"{_NAME}{max(numbers, default=0) + 1:05d}"
    events = Events(path, row, names, begin)
    for start in range(begin - 1, rows_before, ROWS):
        stop = min(start + ROWS, rows_before)
        events.append(start, read(start, stop))
    return events


class Events:
    """An event file of the scalars of a run, by the names of `columns`.

    Points are the epochs of `drawn`, and the last one when it is closed. Values are
    float32, as everywhere in TensorBoard.
    """

    def __init__(self, path: Path, row: PyTree, names: list[str], begin: int) -> None:
        self._path = path
        self._names = names
        self._small = [bool(places(name, leaf)) for name, leaf in entries(row).items()]
        self._package = _package()
        self._last: tuple[int, PyTree] | None = None
        self._due = 0.0
        self._closed = False
        with naming(path):
            self._writer = self._package.RecordWriter(str(path))
            self._put(file_version="brain.Event:2")
            session = self._package.Session
            self._put(step=begin, session_log=session(status=session.START))

    def append(self, start: int, rows: PyTree) -> None:
        """Adds points; the disk has them after two seconds at most."""
        stop = start + len(jax.tree.leaves(rows)[0])
        if stop == start:
            return
        steps = drawn(start, stop)
        if len(steps):
            self._draw(steps, jax.tree.map(lambda leaf: leaf[steps - start - 1], rows))
        last = jax.tree.map(lambda leaf: np.array(leaf[-1:]), rows)
        self._last = None if stop in steps[-1:] else (stop, last)
        if time.monotonic() >= self._due:
            self._flush()
            self._due = time.monotonic() + _SECONDS

    def close(self) -> None:
        """Adds the last row, if it is no point yet, and closes the file."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._last is not None:
                self._draw(np.array([self._last[0]]), self._last[1])
            self._flush()
        finally:
            with naming(self._path):
                self._writer.close()

    def _draw(self, steps: Int[np.ndarray, " points"], rows: PyTree) -> None:
        summary = self._package.Summary
        lines = self._values(rows, len(steps)).tolist()
        with naming(self._path):
            for step, line in zip(steps.tolist(), lines, strict=True):
                values = [
                    summary.Value(tag=name, simple_value=value)
                    for name, value in zip(self._names, line, strict=True)
                ]
                self._put(step=step, summary=summary(value=values))

    def _values(self, rows: PyTree, length: int) -> Real[np.ndarray, "points columns"]:
        leaves = zip(jax.tree.leaves(rows), self._small, strict=True)
        # Beyond the range of float32 there is infinity.
        with np.errstate(over="ignore"):
            parts = [
                np.reshape(leaf, (length, -1)).astype(np.float32)
                for leaf, kept in leaves
                if kept
            ]
        return np.concatenate([np.zeros((length, 0), np.float32), *parts], axis=1)

    def _put(self, **fields: Any) -> None:
        event = self._package.Event(wall_time=time.time(), **fields)
        self._writer.write(event.SerializeToString())

    def _flush(self) -> None:
        with naming(self._path):
            self._writer.flush()
            # What is written to a file that was deleted is lost without an error.
            os.stat(self._path)


def _shown(files: list[Path]) -> set[int]:
    """The epochs of which TensorBoard shows points of these files."""
    package = _package()
    start = package.Session.START
    shown: set[int] = set()
    for path in files:
        for data in _records(path.read_bytes(), package.checksum):
            event = package.Event.FromString(data)
            if event.session_log.status == start:
                shown = {step for step in shown if step < event.step}
            elif event.HasField("summary"):
                shown.add(event.step)
    return shown


def _records(content: bytes, checksum: Callable[[bytes], int]) -> Iterator[bytes]:
    """The records of a file (TFRecord), up to the first that is not whole."""
    at = 0
    while len(content) >= at + 12:
        head = content[at : at + 8]
        (length,) = struct.unpack("<Q", head)
        (told,) = struct.unpack("<I", content[at + 8 : at + 12])
        end = at + 12 + length
        if told != checksum(head) or end + 4 > len(content):
            return
        data = content[at + 12 : end]
        if struct.unpack("<I", content[end : end + 4]) != (checksum(data),):
            return
        yield data
        at = end + 4


class _Package(NamedTuple):
    """What is used of tensorboardX, whose messages have no types."""

    Event: Any
    Session: Any
    Summary: Any
    RecordWriter: Any
    checksum: Callable[[bytes], int]


def _package() -> _Package:
    """Imported when it is first asked for."""
    try:
        event = import_module("tensorboardX.proto.event_pb2")
        summary = import_module("tensorboardX.proto.summary_pb2")
        record = import_module("tensorboardX.record_writer")
    except ModuleNotFoundError as error:
        raise ImportError(
            "logs for TensorBoard need the package tensorboardX; run "
            "pip install 'funclearn[tensorboard]'."
        ) from error
    return _Package(
        event.Event,
        event.SessionLog,
        summary.Summary,
        record.RecordWriter,
        record.masked_crc32c,
    )
