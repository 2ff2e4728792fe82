"""What a checkpoint says of itself, and how that is written as JSON."""

from collections.abc import Callable
from typing import Any, NamedTuple

from funclearn.checkpoints._errors import CheckpointError, Damage
from funclearn.checkpoints._leaves import DTYPES, Leaf
from funclearn.checkpoints._structure import Node, Structure

__all__ = ["FORMAT", "Entry", "Head", "as_json", "head_of_json"]

FORMAT = 1
"""The version of the format that is written."""


class Entry(NamedTuple):
    """A leaf in a file: what it is, and the checksum of its numbers."""

    leaf: Leaf
    sha256: str


class Head(NamedTuple):
    """What a checkpoint says of itself.

    Attributes:
        step: number of updates made.
        epoch: number of epochs made; None if the state has none.
        value: what the best one is told by.
        direction: `"min"` or `"max"`.
        notes: the caller's.
        config: what the run was made with.
        data: the fingerprint of the data.
        time: seconds since 1970.
        library: the version of the library.
        trees: by name the pytrees; their leaves are entries.
        format: the version of the format.
    """

    step: int
    epoch: int | None
    value: float | None
    direction: str
    notes: Any
    config: Any
    data: str | None
    time: float
    library: str
    trees: dict[str, Structure]
    format: int = FORMAT

    @property
    def entries(self) -> dict[str, Entry]:
        """The leaves of all trees by their paths."""
        trees = self.trees.values()
        return {path: entry for tree in trees for path, entry in tree.leaves.items()}


def as_json(head: Head) -> dict[str, Any]:
    """A head as JSON can hold it."""
    trees = {
        name: {
            "nodes": {path: list(node) for path, node in tree.nodes.items()},
            "leaves": {
                path: [*entry.leaf, entry.sha256] for path, entry in tree.leaves.items()
            },
        }
        for name, tree in head.trees.items()
    }
    return {**head._asdict(), "trees": trees}


def head_of_json(raw: dict[str, Any]) -> Head:
    """A head of what JSON gives back.

    Raises:
        Damage: if it is malformed.
        CheckpointError: if its format is newer than this library.
    """
    version = raw.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise CheckpointError(
            f"has format {version}, of funclearn {raw.get('library')}; this version "
            f"reads formats up to {FORMAT}."
        )
    read = _READERS.get(version) if isinstance(version, int) else None
    if read is None:
        raise Damage(f"there is no format {version!r}")
    try:
        return read(raw)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Damage("its head is malformed") from None


def _head_of_format_1(raw: dict[str, Any]) -> Head:
    trees = {
        name: Structure(
            {path: _node(*facts) for path, facts in tree["nodes"].items()},
            {path: _entry(*facts) for path, facts in tree["leaves"].items()},
        )
        for name, tree in raw["trees"].items()
    }
    head = Head(**{**raw, "trees": trees})
    number = int | float
    right = (
        type(head.step) is int
        and isinstance(head.epoch, int | None)
        and isinstance(head.value, number | None)
        and isinstance(head.data, str | None)
        and isinstance(head.time, number)
    )
    if not right:
        raise TypeError
    return head


def _node(kind: str, static: dict[str, str]) -> Node:
    if not isinstance(kind, str) or not isinstance(static, dict):
        raise TypeError
    return Node(kind, static)


def _entry(
    dtype: str, shape: list[int], key: Any, python: Any, weak: Any, sha256: str
) -> Entry:
    whole = all(type(length) is int and length >= 0 for length in shape)
    if dtype not in DTYPES or not whole:
        raise ValueError
    return Entry(Leaf(dtype, tuple(shape), key, python, weak), sha256)


_READERS: dict[int, Callable[[dict[str, Any]], Head]] = {1: _head_of_format_1}
"""How the head of each format is read, the older ones included."""
