"""One number for data, to tell them from other data."""

import hashlib
import json
from typing import Any

import numpy as np
from jaxtyping import PyTree

from funclearn._jaxprs import is_key
from funclearn._processes import is_spread, whole
from funclearn.checkpoints._leaves import facts_of, numbers_of
from funclearn.checkpoints._structure import structure_of

__all__ = ["bytes_of", "fingerprint", "fingerprint_of"]


def bytes_of(numbers: np.ndarray) -> memoryview:
    """The bytes of an array in C order, not copied."""
    # ml_dtypes' types have no buffers of their own.
    return numbers.reshape(-1).view(np.uint8).data


def fingerprint(data: PyTree) -> str:
    """SHA-256 of a pytree of arrays: structure, names, dtypes, shapes and bytes.

    Equal data have equal fingerprints on every machine, be they NumPy's or JAX's.

    Args:
        data: a pytree of arrays, such as a `Dataset`; a NumPy memmap is read once.

    Raises:
        TypeError: if a leaf is neither an array nor a number.

    Example:
        >>> data = fl.data.thermometer()
        >>> fl.checkpoints.fingerprint(data) == fl.checkpoints.fingerprint(data)
        True
        >>> len(fl.checkpoints.fingerprint(data))
        64
    """
    structure = structure_of("data", data)
    facts = {name: facts_of(name, leaf) for name, leaf in structure.leaves.items()}
    # Modules move; the names of classes stay.
    nodes = {
        name: node.kind.partition(":")[2] for name, node in structure.nodes.items()
    }
    described = [nodes, {name: leaf[:3] for name, leaf in facts.items()}]
    digest = hashlib.sha256(json.dumps(described).encode())
    for name, leaf in structure.leaves.items():
        digest.update(bytes_of(numbers_of(name, _gathered(leaf))))
    return digest.hexdigest()


def _gathered(leaf: Any) -> Any:
    """What is spread over processes, as a whole; keys are not."""
    return whole(leaf) if is_spread(leaf) and not is_key(leaf.dtype) else leaf


def fingerprint_of(data: PyTree) -> str | None:
    """A fingerprint that was given in place of data, or that of the data."""
    return data if data is None or isinstance(data, str) else fingerprint(data)
