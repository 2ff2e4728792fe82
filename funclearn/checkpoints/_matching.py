"""Whether a checkpoint is of the run that asks for it, and its state if so."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn.checkpoints._errors import CheckpointError
from funclearn.checkpoints._head import Entry, Head
from funclearn.checkpoints._json import differing_entries
from funclearn.checkpoints._leaves import facts_of, made_like
from funclearn.checkpoints._structure import differences, structure_of

__all__ = ["check_match", "restored"]

_TOLD = 4  # differences that a message names


def check_match(
    head: Head,
    likes: Mapping[str, PyTree],
    *,
    config: dict[str, Any] | None = None,
    data: str | None = None,
) -> None:
    """Refuses a checkpoint of another run.

    Args:
        head: what it says of itself.
        likes: by name the pytrees that it is to be restored to.
        config: what the run is made with; None compares nothing.
        data: the fingerprint of the data; likewise.

    Raises:
        CheckpointError: if they differ; names the first differences.
        TypeError: if a leaf of `likes` is no array and no number.
    """

    def found() -> Iterator[str]:
        if config is not None:
            yield from differing_entries("config", head.config, config)
        for name, like in likes.items():
            if name not in head.trees:
                yield f"{name} was not saved"
                continue
            tree, needed = head.trees[name], structure_of(name, like)
            entries = {path: entry.leaf for path, entry in tree.leaves.items()}
            facts = {path: facts_of(path, one) for path, one in needed.leaves.items()}
            yield from differences(
                tree._replace(leaves=entries), needed._replace(leaves=facts)
            )
        if data is not None and head.data != data:
            yield f"data was saved as {head.data!r} and is {data!r} now"

    told = list(itertools.islice(found(), _TOLD + 1))
    if told:
        rest = "; and so on" if len(told) > _TOLD else ""
        raise CheckpointError(f"does not fit: {'; '.join(told[:_TOLD])}{rest}.")


def restored(
    name: str,
    entries: Mapping[str, Entry],
    numbers: Mapping[str, Any],
    like: PyTree,
) -> PyTree:
    """A pytree of the structure of `like` and of numbers that were saved.

    Raises:
        CheckpointError: if JAX would narrow the numbers.
    """
    leaves = [
        # One that was read to where it belongs is as it must be.
        made_like(path, numbers[path], entries[path].leaf, one)
        if isinstance(numbers[path], np.ndarray)
        else numbers[path]
        for path, one in structure_of(name, like).leaves.items()
    ]
    return jax.tree.structure(like).unflatten(leaves)
