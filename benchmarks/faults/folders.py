"""What becomes of a run when a file of its folder is damaged."""

import shutil
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.damage import damaged
from benchmarks.faults._line import Line
from benchmarks.faults._standing import standing
from benchmarks.faults._training import train

__all__ = ["DAMAGES", "lines"]

_OLDER, _NEWER, _END = 60, 140, 200
"""Epochs of the folder that a file is put back from, of the damaged one, of the end."""

_FILES = ("checkpoint-*", "history.rows", "history.csv", "history.jsonl", "*.txt")
_SHARE_OF_FOLDERS = 0.2

Rng = np.random.Generator


def _delete(rng: Rng, path: Path, older: Path) -> None:
    path.unlink()


def _empty(rng: Rng, path: Path, older: Path) -> None:
    path.write_bytes(b"")


def _halve(rng: Rng, path: Path, older: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _flip(rng: Rng, path: Path, older: Path) -> None:
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


def _swap(rng: Rng, path: Path, older: Path) -> None:
    """A stretch of two files of the folder, each in the other's place."""
    others = sorted(one for one in path.parent.glob("[!.]*") if one != path)
    other = others[rng.integers(len(others))]
    one, two = bytearray(path.read_bytes()), bytearray(other.read_bytes())
    shorter = min(len(one), len(two))
    start = int(rng.integers(shorter))
    part = slice(start, min(start + int(rng.integers(1, 128)), shorter))
    one[part], two[part] = two[part], one[part]
    path.write_bytes(one)
    other.write_bytes(two)


def _put_back(rng: Rng, path: Path, older: Path) -> None:
    there = sorted(older.glob(path.name[:12] + "*"))
    path.write_bytes(there[-1].read_bytes())


DAMAGES: dict[str, Callable[[Rng, Path, Path], None]] = {
    "deleted": _delete,
    "emptied": _empty,
    "halved": _halve,
    "one bit flipped": _flip,
    "bytes swapped": _swap,
    "older one put back": _put_back,
}
"""The kinds of damage by name: `(rng, path, folder of an older time)`."""


def lines(number: int, seed: int) -> list[Line]:
    """Damages so many files: checkpoints by themselves, and folders of runs."""
    began = time.monotonic()
    of_folders = round(_SHARE_OF_FOLDERS * number)
    counts = damaged(number - of_folders, seed)
    wrong = counts.pop("WRONG")
    told = time.monotonic()
    line = Line("damaged files", number - of_folders, counts, wrong, told - began)
    return [line, *_folders(of_folders, seed)]


def _folders(number: int, seed: int) -> list[Line]:
    rng = np.random.default_rng(seed)
    found: list[Line] = []
    with tempfile.TemporaryDirectory() as temporary:
        older, newer, whole = (Path(temporary, name) for name in ("old", "new", "all"))
        for folder, epochs in ((older, _OLDER), (newer, _NEWER), (whole, _END)):
            # With checkpoints from before its end.
            for part in (epochs // 2, epochs):
                train(folder, epochs=part)
        right = standing(whole)
        for at, (kind, damage) in enumerate(DAMAGES.items()):
            began, counts = time.monotonic(), Counter[str]()
            for _ in range(number // len(DAMAGES) + (at < number % len(DAMAGES))):
                folder = Path(temporary, "damaged")
                shutil.copytree(newer, folder)
                files = sorted(folder.glob(_FILES[rng.integers(len(_FILES))]))
                path = files[rng.integers(len(files))]
                damage(rng, path, older)
                outcome = _outcome(folder, path, right)
                if outcome.startswith("WRONG"):
                    print(f"{outcome}: {path.name} {kind}", flush=True)
                counts[outcome.partition(":")[0]] += 1
                shutil.rmtree(folder)
            total, wrong = counts.total(), counts.pop("WRONG", 0)
            seconds = time.monotonic() - began
            found.append(Line(f"folders: {kind}", total, counts, wrong, seconds))
    return found


def _outcome(folder: Path, path: Path, right: dict[str, bytes]) -> str:
    """What comes of going on with a run whose folder was damaged."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            train(folder, epochs=_END)
        except (OSError, ValueError) as error:
            named = any(one in str(error) for one in ("history.rows", path.name))
            return "refused by name" if named else f"WRONG: {error}"
        except Exception as error:
            return f"WRONG: {type(error).__name__}: {error}"
    found = standing(folder)
    wrong = [name for name in right if found[name] != right[name]]
    if wrong:
        return f"WRONG: other bytes in {', '.join(wrong)}"
    return "right with a warning" if told else "right to the bit"
