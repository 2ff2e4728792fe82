"""Checkpoints with heads that nobody wrote, for `restore` and `latest`."""

import copy
import functools
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._children import tell
from benchmarks.faults._guard import guarded
from funclearn import checkpoints

__all__ = ["case", "child", "drawn"]

_VALUES = (
    *(None, True, 0, -1, 1, 2**31, 2**63, 10**30, 1e308, float("nan"), float("inf")),
    *("", "float32", "float64", "a" * 9999, "\u0000", "\ud800", "state", "[0]"),
    *([], {}, [[]], [1], [2**62, 2**62], [-1], {"a": 1}, [None], [1.5], [[1]], ["x"]),
)
_LIKE = {
    "w": jnp.arange(6.0).reshape(2, 3),
    "n": jnp.int32(3),
    "key": jax.random.key(1),
    "empty": (),
    "step": 4,
}


@functools.cache
def _whole() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        notes = {"a": [1, 2]}
        return checkpoints.save(folder, _LIKE, step=4, notes=notes).read_bytes()


def drawn(rng: np.random.Generator) -> bytes:
    """A file: bytes changed anywhere, or a head changed and its checksums right."""
    whole = _whole()
    length = int.from_bytes(whole[:8], "little")
    if rng.random() < 0.3:
        content = bytearray(whole)
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(8 if rng.random() < 0.3 else length))
            content[at : at + int(rng.integers(3))] = rng.bytes(int(rng.integers(3)))
        return bytes(content)
    header = json.loads(whole[8 : 8 + length])
    metadata = header["__metadata__"]
    head = json.loads(metadata["funclearn"])
    for _ in range(int(rng.integers(1, 3))):
        _change(rng, head)
    text = json.dumps(head)
    if rng.random() < 0.05:
        text = "[" * 100_000
    metadata |= {"funclearn": text, "sha256": _sha256(text)}
    if rng.random() < 0.4:
        _change(rng, header)
    encoded = json.dumps(header).encode()
    longer = len(encoded) + int(rng.choice([0, 0, 0, 0, 1, 2**40, -5]))
    return max(longer, 0).to_bytes(8, "little") + encoded + whole[8 + length :]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _change(rng: np.random.Generator, tree: Any) -> None:
    """Puts something else into a random place of a tree of JSON, or takes it out."""
    while True:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        if not keys:
            return
        key = keys[rng.integers(len(keys))]
        below = tree[key]
        if isinstance(below, dict | list) and below and rng.random() < 0.8:
            tree = below
            continue
        # A copy, which the next change may reach into.
        value = copy.deepcopy(_VALUES[rng.integers(len(_VALUES))])
        if rng.random() < 0.15:
            del tree[key]
        elif isinstance(tree, dict) and rng.random() < 0.15:
            tree[str(value)[:99]] = tree.pop(key)
        else:
            tree[key] = value
        return


def _bits(state: Any) -> list[bytes]:
    plain = {**state, "key": jax.random.key_data(state["key"])}
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(plain)]


def case(number: int) -> dict[str, str]:
    """Restores from a file; what is restored must be what was saved."""
    content = drawn(np.random.default_rng([3, number]))

    def use() -> str:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, f"checkpoint-{4:012}.safetensors").write_bytes(content)
            checkpoints.latest(folder)
            state = checkpoints.restore(folder, _LIKE)
        return "restored" if _bits(state) == _bits(_LIKE) else "WRONG: other bits"

    return guarded(use, (checkpoints.CheckpointError,))


def child(start: int, stop: int) -> None:
    """Restores in a process of its own."""
    tell(case, start, stop)
