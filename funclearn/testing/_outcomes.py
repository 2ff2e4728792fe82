"""What a script leaves in its folder, compared to the bit."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._checks import path_name
from funclearn._jaxprs import is_key
from funclearn._words import described

__all__ = ["Result", "difference", "outcome"]

Result: TypeAlias = str | Sequence[str] | Callable[[Path], PyTree]
"""Names or globs of files in a folder, or a function of the folder."""


def outcome(folder: Path, result: Result) -> PyTree:
    """Reads what a script left.

    Returns:
        The bytes of the files by their names; or what the function returned.

    Raises:
        LookupError: if there is nothing of it.
    """
    if callable(result):
        try:
            return result(folder)
        except Exception as error:
            raise LookupError(
                f"`result` cannot read the folder: {type(error).__name__}: {error}"
            ) from error
    patterns = [result] if isinstance(result, str) else result
    found = {}
    for pattern in patterns:
        files = [path for path in folder.glob(pattern) if path.is_file()]
        if not files:
            raise LookupError(f"the folder holds no file {pattern!r}")
        for path in files:
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def difference(got: PyTree, expected: PyTree, result: Result) -> str | None:
    """The first place where two outcomes differ in a bit; None if there is none."""
    if not callable(result):
        return _of_files(got, expected)
    structures = jax.tree.structure(got), jax.tree.structure(expected)
    if structures[0] != structures[1]:
        return f"the result is {structures[0]}, uninterrupted {structures[1]}"
    leaves = jax.tree_util.tree_leaves_with_path(got)
    for (path, one), other in zip(leaves, jax.tree.leaves(expected), strict=True):
        if words := _of_leaves(one, other):
            return path_name("result", path) + words
    return None


def _of_files(got: Mapping[str, bytes], expected: Mapping[str, bytes]) -> str | None:
    for name in sorted({*got, *expected}):
        if name not in got:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} is there, which it is not uninterrupted"
        if words := _of_bytes(got[name], expected[name]):
            return f"{name} {words}"
    return None


def _of_bytes(got: bytes, expected: bytes) -> str | None:
    if got == expected:
        return None
    shorter = min(len(got), len(expected))
    one, other = (np.frombuffer(some, np.uint8, shorter) for some in (got, expected))
    unequal = one != other
    first = int(np.argmax(unequal)) if unequal.any() else shorter
    near = slice(max(first - 8, 0), first + 16)
    return (
        f"differs from byte {first} on: {got[near]!r}, uninterrupted "
        f"{expected[near]!r} ({len(got)} and {len(expected)} bytes)"
    )


def _of_leaves(got: object, expected: object) -> str | None:
    if isinstance(got, bytes) and isinstance(expected, bytes):
        words = _of_bytes(got, expected)
        return words and f" {words}"
    one, other = _array(got), _array(expected)
    if one is None or other is None:
        same = type(got) is type(expected) and bool(got == expected)
        words = f" is {described(got)}, uninterrupted {described(expected)}"
        return None if same else words
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        kinds = [f"{leaf.dtype}{list(leaf.shape)}" for leaf in (one, other)]
        return f" is {kinds[0]}, uninterrupted {kinds[1]}"
    if one.tobytes() == other.tobytes():
        return None
    # Bit by bit, so that NaN agrees with itself and 0.0 differs from -0.0.
    bits = [np.array(leaf).reshape(-1, 1).view(np.uint8) for leaf in (one, other)]
    first = int(np.argmax((bits[0] != bits[1]).any(axis=1)))
    index = [int(place) for place in np.unravel_index(first, one.shape)]
    where = f"{index}" if index else ""
    return f"{where} is {one.flat[first]}, uninterrupted {other.flat[first]}"


def _array(leaf: object) -> np.ndarray | None:
    """The leaf's bits; None for text and other objects, which `==` compares."""
    if isinstance(leaf, jax.Array) and is_key(leaf.dtype):
        leaf = jax.random.key_data(leaf)
    array = np.asarray(leaf)
    return None if array.dtype.kind in "OU" else array
