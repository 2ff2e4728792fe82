"""A checkpoint as bytes: a safetensors file whose metadata hold a head.

    8 bytes      length of the header, little-endian
    the header   JSON: the tensors by name, and `__metadata__` with two texts:
                 `funclearn`, the head, itself JSON, and `sha256`, its checksum
    the rest     the numbers, without a gap

The head tells all that the header does, so that the header can be checked as well.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from funclearn.checkpoints._errors import Damage
from funclearn.checkpoints._head import Head, as_json, head_of_json
from funclearn.checkpoints._leaves import DTYPES, Leaf

__all__ = ["Tensor", "header_of", "layout", "read_header"]

_LONGEST = 100_000_000  # bytes of a header, as safetensors has it

_STORED = {
    "bool": "BOOL",
    "bfloat16": "BF16",
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
}


class Tensor(NamedTuple):
    """Where the numbers of a leaf are, and as what they are stored."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def layout(leaves: Mapping[str, Leaf]) -> dict[str, Tensor]:
    """Places leaves one after another, those of wide types first, for alignment."""
    sizes = {name: DTYPES[leaf.dtype].itemsize for name, leaf in leaves.items()}
    tensors, end = {}, 0
    for name in sorted(leaves, key=lambda name: -sizes[name]):
        (dtype, shape, *_), size = leaves[name], sizes[name]
        stored = _STORED.get(dtype)
        if stored is None and size <= 8:
            # Types that safetensors lacks, as integers of their size.
            stored = f"U{8 * size}"
        elif stored is None:
            stored, shape = "U8", (*shape, size)
        start, end = end, end + size * math.prod(leaves[name].shape)
        tensors[name] = Tensor(stored, tuple(shape), start, end)
    return tensors


def header_of(head: Head) -> bytes:
    """The bytes of a file before the numbers."""
    text = json.dumps(as_json(head), separators=(",", ":"))
    checksum = hashlib.sha256(text.encode()).hexdigest()
    header = {"__metadata__": {"funclearn": text, "sha256": checksum}}
    header |= _tensors(head)
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    if len(encoded) > _LONGEST:
        raise ValueError(
            f"a checkpoint can describe itself in {_LONGEST} bytes; this one, with "
            f"its notes and config, needs {len(encoded)}."
        )
    return len(encoded).to_bytes(8, "little") + encoded


def _tensors(head: Head) -> dict[str, Any]:
    leaves = {name: entry.leaf for name, entry in head.entries.items()}
    return {
        name: {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
        for name, (dtype, shape, start, end) in layout(leaves).items()
    }


def read_header(read: Callable[[int], bytes], size: int) -> tuple[Head, int]:
    """Reads and checks all of a file but its numbers; takes no memory for these.

    Args:
        read: reads so many bytes, from the beginning of the file.
        size: the length of the file.

    Returns:
        The head, and where the numbers begin.

    Raises:
        Damage: if the file is no checkpoint, or not as it was written.
        CheckpointError: if its format is newer than this library.
    """
    length = int.from_bytes(read(8), "little")
    if size < 8 or not 2 <= length <= min(_LONGEST, size - 8):
        raise Damage(f"its {size} bytes are no checkpoint, or its end is missing")
    encoded = read(length)
    if len(encoded) < length:
        raise Damage("its end is missing")
    header = _json(encoded)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or set(metadata) != {"funclearn", "sha256"}:
        raise Damage("it is no checkpoint of this library")
    text = metadata["funclearn"]
    if not isinstance(text, str) or metadata["sha256"] != _checksum(text):
        raise Damage("the checksum of its head is wrong")
    head = head_of_json(_json(text))
    try:
        expected = _tensors(head)
    except (KeyError, TypeError, OverflowError):
        raise Damage("its head describes no tensors") from None
    if header != expected:
        raise Damage("its header is not that of its head")
    ends = [tensor["data_offsets"][1] for tensor in expected.values()]
    needed = 8 + length + max(ends, default=0)
    if size != needed:
        raise Damage(f"it has {size} bytes where its header says {needed}")
    return head, 8 + length


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _json(text: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Damage("its header cannot be read")
    return value
