"""Whether all processes run the same program, on the same."""

import hashlib
import json
import platform
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np

from funclearn._processes import from_all
from funclearn._words import described

__all__ = ["check_alike", "facts"]

_NONE = "not given"
_LONGEST = 100


def facts(same: object) -> dict[str, str]:
    """What all processes must have in common, by name, as text.

    Args:
        same: what else than versions and the script.

    Raises:
        TypeError: if it is no mapping, or JSON does not hold it.
    """
    needed = "same must be a mapping that JSON holds"
    if not isinstance(same, Mapping | None):
        raise TypeError(f"{needed}; got {described(same)}.")
    try:
        given = dict(_leaves("same", same)) if same else {}
    except (TypeError, ValueError) as error:
        raise TypeError(f"{needed}; {error}.") from None
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("jax", "jaxlib", "funclearn")},
        "the script's sha256": _digest_of_script(),
        **given,
    }


def _digest_of_script() -> str:
    path = getattr(sys.modules["__main__"], "__file__", None)
    if path is None or not Path(path).is_file():
        return _NONE
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _leaves(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{name}[{key!r}]", inner)
    else:
        yield name, json.dumps(value, sort_keys=True)


def check_alike(own: dict[str, str]) -> None:
    """Compares facts of this process with those of all others; each must call it.

    Raises:
        ValueError: in all processes, if they differ.
    """
    everywhere = _from_all_processes(own)
    names = dict.fromkeys(name for one in everywhere for name in one)
    unlike = [
        _told(name, [one.get(name, _NONE) for one in everywhere])
        for name in names
        if len({one.get(name, _NONE) for one in everywhere}) > 1
    ]
    if unlike:
        raise ValueError("all processes must run alike; " + "; ".join(unlike) + ".")


def _told(name: str, values: list[str]) -> str:
    """Which processes have which value."""
    holders: dict[str, list[int]] = {}
    for process, value in enumerate(values):
        holders.setdefault(value, []).append(process)
    parts = [
        f"{_short(value)} in process {', '.join(map(str, processes))}"
        for value, processes in holders.items()
    ]
    return f"{name} is {' and '.join(parts)}"


def _short(value: str) -> str:
    if len(value) <= _LONGEST:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()
    return f"{value[:_LONGEST]}... (sha256 {digest[:8]})"


def _from_all_processes(own: dict[str, str]) -> list[dict[str, str]]:
    one_each = {device.process_index: device for device in jax.devices()}
    devices = tuple(one_each[process] for process in sorted(one_each))
    sent = np.frombuffer(json.dumps(own).encode(), np.uint8)
    lengths = from_all(np.array(len(sent), np.int32), devices)
    padded = np.zeros(lengths.max(), np.uint8)
    padded[: len(sent)] = sent
    got = from_all(padded, devices)
    return [
        json.loads(row[:length].tobytes())
        for row, length in zip(got, lengths, strict=True)
    ]
