"""Saving and restoring states."""

import functools
import hashlib
import os
import time
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._checks import check_direction, integer_at_least
from funclearn._words import described
from funclearn.checkpoints._errors import CheckpointError, CheckpointWarning, Damage
from funclearn.checkpoints._files import clean, explained, make_folder, write
from funclearn.checkpoints._fingerprint import bytes_of, fingerprint_of
from funclearn.checkpoints._format import header_of, layout
from funclearn.checkpoints._head import Entry, Head
from funclearn.checkpoints._json import as_json
from funclearn.checkpoints._keeping import (
    PATTERN,
    folder_of,
    listed,
    path_of,
    superfluous,
)
from funclearn.checkpoints._leaves import facts_of, numbers_of
from funclearn.checkpoints._reading import head_of
from funclearn.checkpoints._structure import Structure, structure_of

__all__ = ["save"]


def save(
    folder: str | os.PathLike[str],
    state: PyTree,
    *,
    step: Any = None,
    more: PyTree = None,
    notes: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    data: PyTree = None,
    value: Any = None,
    direction: str = "min",
    keep: int = 3,
) -> Path:
    """Saves a state in a file of its own; it is on disk once this returns.

    The file is a safetensors file, which other programs read as well: no pickle, no
    code. It has checksums of all that it holds. A save that is interrupted or fails
    leaves the earlier checkpoints as they were.

    Args:
        folder: where; it is made if it is not there.
        state: a pytree of arrays, typed keys and numbers, such as a `TrainState`.
        step: orders the checkpoints, and names the file; that of the state if None.
        more: another such pytree, which is restored by itself.
        notes: anything else, as JSON can hold it.
        config: what the run was made with, as JSON can hold it. `restore` refuses a
            checkpoint of another one.
        data: the data, or their `fingerprint`; likewise.
        value: what the best checkpoint is told by, say a validation loss; NaN never is.
        direction: of the best value, `"min"` or `"max"`.
        keep: how many of the last are kept. The best is kept beside them. Those of
            later steps stay, too.

    Returns:
        The file.

    Raises:
        OSError: if it cannot be written; says why, and what to do.
        TypeError: if a leaf is neither an array nor a number, an argument cannot be
            held by JSON, or there is no step.
        ValueError: if an argument is out of range, or an array is spread over
            processes or was donated.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> optimizer = optax.sgd(0.1)
        >>> state = fl.init_state(jax.random.key(0), {"w": 1.5}, optimizer)
        >>> fl.checkpoints.save(folder, state, config={"learning_rate": 0.1}).name
        'checkpoint-000000000000.safetensors'
        >>> fl.checkpoints.restore(folder, state).params
        {'w': Array(1.5, dtype=float32)}
    """
    place = folder_of(folder)
    keep = integer_at_least("keep", keep, 1)
    check_direction("direction", direction)
    step = _step(state) if step is None else integer_at_least("step", step, 0)
    trees = {"state": structure_of("state", state)}
    if more is not None:
        trees["more"] = structure_of("more", more)
    numbers = _numbers(trees)
    head = Head(
        step=step,
        epoch=_epoch(state),
        value=_value(value),
        direction=direction,
        notes=as_json("notes", notes),
        config=as_json("config", config),
        data=fingerprint_of(data),
        time=time.time(),
        library=_version(),
        trees={name: _entries(tree, numbers) for name, tree in trees.items()},
    )
    path = path_of(place, step)
    with explained(place, "the checkpoint could not be saved"):
        _put(path, head, numbers)
        values = {one: _value_of(place, one) for one in listed(place)}
    for one in superfluous(values, step, keep, direction):
        _remove(path_of(place, one))
    return path


@functools.cache
def _version() -> str:
    return version("funclearn")


def _step(state: PyTree) -> int:
    step = getattr(state, "step", None)
    if step is None:
        raise TypeError(
            f"step must be given, since state has none; got {described(state)}."
        )
    return integer_at_least("state.step", step, 0)


def _epoch(state: PyTree) -> int | None:
    try:
        return integer_at_least("state.epoch", getattr(state, "epoch", None), 0)
    except (TypeError, ValueError):  # of a state that is another library's, or batched
        return None


def _value(value: Any) -> float | None:
    """The value as a number of Python's, which JSON holds to the bit."""
    if value is None:
        return None
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError, jax.errors.JAXTypeError):
        raise TypeError(
            f"value must be a number or None; got {described(value)}."
        ) from None


def _numbers(trees: Mapping[str, Structure]) -> dict[str, np.ndarray]:
    """The numbers of all leaves, on the host."""
    leaves = {name: x for tree in trees.values() for name, x in tree.leaves.items()}
    for name, leaf in leaves.items():
        facts_of(name, leaf)
    for leaf in leaves.values():
        if isinstance(leaf, jax.Array) and not leaf.is_deleted():
            # Begins all copies before it waits for the first.
            leaf.copy_to_host_async()
    return {name: numbers_of(name, leaf) for name, leaf in leaves.items()}


def _entries(tree: Structure, numbers: Mapping[str, np.ndarray]) -> Structure:
    """A structure whose leaves are what the head says of them."""
    entries = {}
    for name, leaf in tree.leaves.items():
        sha256 = hashlib.sha256(bytes_of(numbers[name])).hexdigest()
        entries[name] = Entry(facts_of(name, leaf), sha256)
    return tree._replace(leaves=entries)


def _put(path: Path, head: Head, numbers: Mapping[str, np.ndarray]) -> None:
    make_folder(path.parent)
    clean(path.parent, PATTERN)
    leaves = {name: entry.leaf for name, entry in head.entries.items()}
    write(path, (header_of(head), *(bytes_of(numbers[one]) for one in layout(leaves))))


def _value_of(folder: Path, step: int) -> float | None:
    """The value that a checkpoint was saved with; None if it cannot be told."""
    try:
        return head_of(folder, step).value
    except (CheckpointError, Damage, OSError):
        return None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)  # another process may have been first
    except OSError as error:
        # The new one is on disk: that is no reason to stop a run.
        text = f"{path} is no longer needed and could not be removed: {error}"
        warnings.warn(text, CheckpointWarning, stacklevel=3)
