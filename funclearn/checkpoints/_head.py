"""What a checkpoint says of itself, and how that is written as JSON."""

from collections.abc import Callable
from typing import Any, NamedTuple

from funclearn.checkpoints._errors import CheckpointError, Damage
from funclearn.checkpoints._folders import Folder
from funclearn.checkpoints._leaves import DTYPES, Leaf
from funclearn.checkpoints._structure import Node, Structure

__all__ = ["FORMAT", "Entry", "Head", "as_json", "head_of_json"]

FORMAT = 2
"""The newest format. The first one is written where no array has parts."""


class Entry(NamedTuple):
    """A leaf in a checkpoint.

    Attributes:
        leaf: what it is.
        sha256: the checksum of its numbers; None where they are in the folder.
        name: of its array in the folder of arrays; None where it is in the file.
    """

    leaf: Leaf
    sha256: str | None
    name: str | None = None


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
        folder: that of the arrays that have parts; None without one.
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
    folder: Folder | None = None
    format: int = 1

    @property
    def entries(self) -> dict[str, Entry]:
        """The leaves of all trees that are in the file, by their paths."""
        return {path: one for path, one in self._leaves.items() if one.name is None}

    @property
    def arrays(self) -> dict[str, Entry]:
        """The leaves of all trees that are in the folder, by their paths."""
        return {path: one for path, one in self._leaves.items() if one.name is not None}

    @property
    def _leaves(self) -> dict[str, Entry]:
        trees = self.trees.values()
        return {path: entry for tree in trees for path, entry in tree.leaves.items()}


def as_json(head: Head) -> dict[str, Any]:
    """A head as JSON can hold it."""
    trees = {
        name: {
            "nodes": {path: list(node) for path, node in tree.nodes.items()},
            "leaves": {
                path: [*entry.leaf, *(entry[1:2] if entry.name is None else entry[1:])]
                for path, entry in tree.leaves.items()
            },
        }
        for name, tree in head.trees.items()
    }
    raw = {**head._asdict(), "trees": trees}
    if head.folder is None:
        del raw["folder"]
    else:
        raw["folder"] = head.folder._asdict()
    return raw


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


def _head_of_format_2(raw: dict[str, Any]) -> Head:
    name, files = raw["folder"]["name"], raw["folder"]["files"]
    for one, (size, sha256) in {name: (0, ""), **files}.items():
        if not isinstance(one, str) or type(size) is not int or type(sha256) is not str:
            raise TypeError
    folder = Folder(name, {one: tuple(facts) for one, facts in files.items()})
    head = _head_of_format_1({**raw, "folder": folder})
    names = [entry.name or "" for entry in head.arrays.values()]
    if not names or len(set(names)) < len(names) or not all(map(str.isdecimal, names)):
        raise ValueError
    return head


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
        and (head.folder is not None or not head.arrays)
    )
    if not right:
        raise TypeError
    return head


def _node(kind: str, static: dict[str, str]) -> Node:
    if not isinstance(kind, str) or not isinstance(static, dict):
        raise TypeError
    return Node(kind, static)


def _entry(
    dtype: str,
    shape: list[int],
    key: Any,
    python: Any,
    weak: Any,
    sha256: str | None,
    name: str | None = None,
) -> Entry:
    whole = all(type(length) is int and length >= 0 for length in shape)
    if dtype not in DTYPES or not whole:
        raise ValueError
    return Entry(Leaf(dtype, tuple(shape), key, python, weak), sha256, name)


_READERS: dict[int, Callable[[dict[str, Any]], Head]] = {
    1: _head_of_format_1,
    2: _head_of_format_2,
}
"""How the head of each format is read, the older ones included."""
