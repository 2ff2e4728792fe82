"""Damages checkpoints in every way that a disk or a hand can, and counts what comes."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from funclearn import checkpoints

__all__ = ["DAMAGES", "OUTCOMES", "damaged"]

OUTCOMES = ("equal", "older with warning", "older, file gone", "refused", "WRONG")

Rng = np.random.Generator
Damage = Callable[[Rng, Path, Path], None]
"""`(rng, older, newer)`: damages the newer of two checkpoints, or both."""

_DTYPES = ("float32", "float64", "int8", "bool", "uint16", "complex64", "bfloat16")


def _delete(rng: Rng, older: Path, newer: Path) -> None:
    newer.unlink()


def _empty(rng: Rng, older: Path, newer: Path) -> None:
    newer.write_bytes(b"")


def _halve(rng: Rng, older: Path, newer: Path) -> None:
    content = newer.read_bytes()
    newer.write_bytes(content[: len(content) // 2])


def _cut(rng: Rng, older: Path, newer: Path) -> None:
    content = newer.read_bytes()
    newer.write_bytes(content[: rng.integers(len(content))])


def _flip(rng: Rng, older: Path, newer: Path) -> None:
    content = bytearray(newer.read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    newer.write_bytes(content)


def _append(rng: Rng, older: Path, newer: Path) -> None:
    newer.write_bytes(newer.read_bytes() + rng.bytes(int(rng.integers(1, 64))))


def _blank(rng: Rng, older: Path, newer: Path) -> None:
    """A stretch of zeros, as of a page that was never written."""
    content = bytearray(newer.read_bytes())
    start, length = rng.integers(len(content)), rng.integers(1, 512)
    content[start : start + length] = bytes(len(content[start : start + length]))
    newer.write_bytes(content)


def _swap(rng: Rng, older: Path, newer: Path) -> None:
    """A stretch of each in the other's place."""
    one, other = bytearray(older.read_bytes()), bytearray(newer.read_bytes())
    shorter = min(len(one), len(other))
    start, length = int(rng.integers(shorter)), int(rng.integers(1, 128))
    end = min(start + length, shorter)
    one[start:end], other[start:end] = other[start:end], one[start:end]
    older.write_bytes(one)
    newer.write_bytes(other)


def _exchange(rng: Rng, older: Path, newer: Path) -> None:
    one, other = older.read_bytes(), newer.read_bytes()
    older.write_bytes(other)
    newer.write_bytes(one)


def _put_back(rng: Rng, older: Path, newer: Path) -> None:
    newer.write_bytes(older.read_bytes())


DAMAGES: dict[str, Damage] = {
    "deleted": _delete,
    "emptied": _empty,
    "halved": _halve,
    "cut anywhere": _cut,
    "one bit flipped": _flip,
    "bytes appended": _append,
    "zeros in place": _blank,
    "bytes swapped": _swap,
    "exchanged": _exchange,
    "older one put back": _put_back,
}
"""The kinds of damage by name."""


def _state(rng: Rng, names: list[tuple[str, tuple[int, ...]]]) -> dict[str, Any]:
    """Random numbers of given types and shapes, and a key."""
    arrays = {
        f"{number} {dtype}": rng.integers(0, 100, shape).astype(jnp.dtype(dtype))
        for number, (dtype, shape) in enumerate(names)
    }
    key = jax.random.wrap_key_data(jnp.asarray(rng.integers(0, 2**32, 2, np.uint32)))
    return {"arrays": arrays, "key": key, "count": int(rng.integers(100))}


def _bits(state: dict[str, Any]) -> list[tuple[str, tuple[int, ...], bytes]]:
    plain = {**state, "key": jax.random.key_data(state["key"])}
    arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(plain)]
    return [(one.dtype.name, one.shape, one.tobytes()) for one in arrays]


def _outcome(
    folder: Path, states: list[dict[str, Any]], newer: Path, *, step: int | None
) -> str:
    """What comes of restoring from a damaged folder."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            got = checkpoints.restore(folder, states[0], step=step)
        except checkpoints.CheckpointError:
            return "refused"
        except Exception as error:  # whatever else comes is a fault
            print(f"WRONG: {type(error).__name__}: {error}", flush=True)
            return "WRONG"
    named = any(newer.name in str(one.message) for one in told)
    older, right = map(_bits, states)
    if _bits(got) == right:
        return "equal"
    if _bits(got) == older and step is None and (named or not newer.exists()):
        return "older with warning" if named else "older, file gone"
    return "WRONG"


def damaged(count: int, seed: int) -> dict[str, int]:
    """Damages random checkpoints, two in a folder, and restores from them.

    Every third time the damaged one is asked for by its step.

    Args:
        count: how many damages, of all kinds in turn.
        seed: of everything that is random.

    Returns:
        How often each of `OUTCOMES` came; each that is `WRONG` is printed.
    """
    rng = np.random.default_rng(seed)
    outcomes: dict[str, int] = dict.fromkeys(OUTCOMES, 0)
    kinds = list(DAMAGES.items())
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            names = [
                (str(rng.choice(_DTYPES)), tuple(rng.integers(0, 9, rng.integers(3))))
                for _ in range(rng.integers(1, 5))
            ]
            states = [_state(rng, names) for _ in range(2)]
            place = Path(folder, str(number))
            older, newer = (
                checkpoints.save(place, state, step=step, value=rng.random())
                for step, state in enumerate(states)
            )
            kind, damage = kinds[number % len(kinds)]
            damage(rng, older, newer)
            step = 1 if number % 3 == 2 else None
            outcome = _outcome(place, states, newer, step=step)
            if outcome == "WRONG":
                print(f"WRONG: {kind}, number {number} of seed {seed}", flush=True)
            outcomes[outcome] += 1
    return outcomes
