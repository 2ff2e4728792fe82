"""Saving and restoring states."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._checks import check_direction, integer_at_least
from funclearn._processes import Together
from funclearn.checkpoints._beside import clean_folders, written_folder
from funclearn.checkpoints._describing import head_of_state, step_of
from funclearn.checkpoints._files import clean, explained, make_folder, write
from funclearn.checkpoints._fingerprint import bytes_of
from funclearn.checkpoints._format import header_of, layout
from funclearn.checkpoints._head import FORMAT, Entry, Head
from funclearn.checkpoints._keeping import PATTERN, folder_of, path_of
from funclearn.checkpoints._leaves import facts_of, numbers_of
from funclearn.checkpoints._pruning import remove
from funclearn.checkpoints._sharded import is_sharded
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

    Arrays of which several devices hold a part each lie in a folder beside it, into
    which every process writes, by Orbax, the parts that it has. The file is written
    after them, and has the checksums of all files there. Where a state is spread over
    processes, or replicated to them, all of them call this, with the same arguments and
    a folder that all share; it returns in each once all is on disk, and what fails in
    one fails in all. It must not run beside other computations of theirs.

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
        RuntimeError: if it failed in another process, or that was lost.
        TypeError: if a leaf is neither an array nor a number, an argument cannot be
            held by JSON, or there is no step.
        ValueError: if an argument is out of range, an array was donated, or processes
            do not share the folder.

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
    step = step_of(state) if step is None else integer_at_least("step", step, 0)
    trees = {"state": structure_of("state", state)}
    if more is not None:
        trees["more"] = structure_of("more", more)
    path, together = path_of(place, step), Together((state, more))
    with together.alike():
        said = {"notes": notes, "config": config, "data": data, "value": value}
        head = head_of_state(state, step=step, direction=direction, **said)
        names = _names(trees)
        numbers = _numbers(trees, names) if together.first else {}
    with explained(place, "the checkpoint could not be saved"):
        _write(path, head, _Given(trees, names, numbers), together)
    with together.alike():
        if together.first:
            with explained(place, "the checkpoint could not be saved"):
                remove(place, step, keep, direction)
    return path


class _Given(NamedTuple):
    """What there is to save.

    Attributes:
        trees: the pytrees by name.
        names: of the arrays that have parts, by their paths.
        numbers: of all other leaves, likewise; in the first process.
    """

    trees: dict[str, Structure]
    names: dict[str, str]
    numbers: dict[str, np.ndarray]


def _write(path: Path, head: Head, given: _Given, together: Together) -> None:
    """Writes arrays that have parts, and then the file, which makes them count."""
    place = path.parent
    with together.alike():
        if together.first:
            make_folder(place)
            clean(place, PATTERN)
            clean_folders(place)
    leaves = {one: x for tree in given.trees.values() for one, x in tree.leaves.items()}
    arrays = {name: leaves[one] for one, name in given.names.items()}
    with written_folder(place, head.step, arrays, together) as beside:
        with together.alike():
            if together.first:
                if beside is not None:
                    head = head._replace(format=FORMAT, folder=beside)
                _put(path, head, given)


def _names(trees: Mapping[str, Structure]) -> dict[str, str]:
    """By the paths of the arrays that have parts the names of their folders.

    Raises:
        TypeError: if a leaf of any kind cannot be held.
    """
    leaves = {one: x for tree in trees.values() for one, x in tree.leaves.items()}
    for name, leaf in leaves.items():
        facts_of(name, leaf)
    parted = [name for name, leaf in leaves.items() if is_sharded(leaf)]
    return {name: str(number) for number, name in enumerate(parted)}


def _numbers(
    trees: Mapping[str, Structure], without: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """The numbers of all leaves but some, on the host."""
    leaves = {
        name: leaf
        for tree in trees.values()
        for name, leaf in tree.leaves.items()
        if name not in without
    }
    for leaf in leaves.values():
        if isinstance(leaf, jax.Array) and not leaf.is_deleted():
            # Begins all copies before it waits for the first.
            leaf.copy_to_host_async()
    return {name: numbers_of(name, leaf) for name, leaf in leaves.items()}


def _entries(
    tree: Structure, numbers: Mapping[str, np.ndarray], names: Mapping[str, str]
) -> Structure:
    """A structure whose leaves are what the head says of them."""
    entries = {}
    for name, leaf in tree.leaves.items():
        facts = facts_of(name, leaf)
        if name in names:
            entries[name] = Entry(facts, None, names[name])
            continue
        sha256 = hashlib.sha256(bytes_of(numbers[name])).hexdigest()
        entries[name] = Entry(facts, sha256)
    return tree._replace(leaves=entries)


def _put(path: Path, head: Head, given: _Given) -> None:
    trees, names, numbers = given
    entries = {one: _entries(tree, numbers, names) for one, tree in trees.items()}
    head = head._replace(trees=entries)
    leaves = {name: entry.leaf for name, entry in head.entries.items()}
    write(path, (header_of(head), *(bytes_of(numbers[one]) for one in layout(leaves))))
