"""The history of a run for other programs, growing with it.

A run resumes from its own exact store, from which a log is mended where the two differ.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import PyTree

from funclearn.running._rows import csv_format, json_format
from funclearn.running._tensorboard import open_events
from funclearn.running._text import Text

__all__ = ["KINDS", "Log", "open_log"]

KINDS = ("csv", "jsonl", "tensorboard")
"""The kinds of logs."""

_FORMATS = {"csv": csv_format, "jsonl": json_format}


@runtime_checkable
class Log(Protocol):
    """What rows of a history are added to while a run goes on."""

    def append(self, start: int, rows: PyTree) -> None:
        """Adds the rows of the epochs `start + 1`, `start + 2` and so on.

        Args:
            start: the number of epochs before.
            rows: a pytree of NumPy arrays with one leading length.

        Raises:
            OSError: if it cannot be written; it names the file.
        """
        ...

    def close(self) -> None:
        """Ends it, all being written; nothing can be added afterwards."""
        ...


def open_log(
    kind: str,
    folder: Path,
    row: PyTree,
    rows_before: int,
    read: Callable[[int, int], PyTree],
) -> Log:
    """Opens a log of a run, and brings it to where the run starts.

    Afterwards a text holds the first `rows_before` rows and nothing else: a longer file
    is cut there; one that is shorter or otherwise not what this run would have written
    is written anew.

    Args:
        kind: `"csv"` for `history.csv`, a table of the columns `epoch` and those of
            `columns`; `"jsonl"` for `history.jsonl`, an object a line, with `null` for
            what is not finite; `"tensorboard"` for event files in the folder
            `tensorboard`, of the extra of that name.
        folder: where to put it; made if it is missing.
        row: a pytree of `jax.ShapeDtypeStruct`, of one row.
        rows_before: the number of rows that the run starts from, 0 for a new one.
        read: of `start` and `stop`, the rows of the epochs `start + 1` to `stop`, as
            for `Log.append`.

    Returns:
        The log.

    Raises:
        ImportError: if the package for event files is missing.
        OSError: if a file cannot be read or written; it names the file.
        TypeError: if a leaf of the row has no real numbers.
        ValueError: if the kind is unknown, or two leaves of the row have one name.
    """
    if kind not in KINDS:
        raise ValueError(f"a log must be one of {', '.join(KINDS)}; got {kind!r}.")
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "tensorboard":
        return open_events(folder / kind, row, rows_before, read)
    text = Text(folder / f"history.{kind}", _FORMATS[kind](row))
    text.mend(rows_before, read)
    return text
