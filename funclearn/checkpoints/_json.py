"""What the caller says of a run, as JSON, and how it differs from another's."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from funclearn._words import described

__all__ = ["as_json", "differing_entries"]


def as_json(name: str, value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A mapping as JSON gives it back: tuples are lists, keys are texts.

    Raises:
        TypeError: if it is no mapping, or holds what JSON cannot.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping or None; got {described(value)}.")
    try:
        return json.loads(json.dumps(dict(value), default=_plain))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"{name} must be a mapping that JSON can hold, of numbers, texts, lists "
            f"and mappings; {error}."
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"it holds {described(value)}")


def differing_entries(name: str, saved: Any, now: Any) -> Iterator[str]:
    """Every entry that differs, in words, with both values."""
    if isinstance(saved, dict) and isinstance(now, dict):
        for key in {**saved, **now}:
            path = f"{name}[{key!r}]"
            if key not in now:
                yield f"{path} was saved as {saved[key]!r} and is missing now"
            elif key not in saved:
                yield f"{path} is {now[key]!r} and was not there when saved"
            else:
                yield from differing_entries(path, saved[key], now[key])
    # As text, in which NaN is equal to itself and 1 is neither 1.0 nor true.
    elif json.dumps(saved, sort_keys=True) != json.dumps(now, sort_keys=True):
        yield f"{name} was saved as {saved!r} and is {now!r} now"
