"""The plain values of JSON as dataclasses, with the type of every field checked."""

import dataclasses
from collections.abc import Mapping
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin

from experiments.harness._plain import Plain

__all__ = ["decode"]

T = TypeVar("T")

_NAMES: dict[type, str] = {
    NoneType: "null",
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "text",
}


def decode(kind: type[T], value: Plain) -> T:
    """Builds a dataclass from what `json.loads` returned.

    Args:
        kind: a dataclass whose fields are text, truth values, `float`, `X | None` of
            these, tuples of any length, mappings from text, such dataclasses, and
            `Plain` or `Any` for values of any type.
        value: an object with one key for every field.

    Raises:
        ValueError: a key is missing or unknown, or a value is of another type; the
            message names the place.
    """
    return _decode(kind, value, "")


def _decode(kind: Any, value: Plain, place: str) -> Any:
    if kind in (Any, Plain):
        return value
    if dataclasses.is_dataclass(kind):
        return _decode_fields(kind, value, place)
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        parts = enumerate(_checked((list,), value, place))
        return tuple(_decode(item, part, f"{place}[{index}]") for index, part in parts)
    if get_origin(kind) is Mapping:
        item = get_args(kind)[1]
        named = _checked((dict,), value, place).items()
        return {name: _decode(item, part, f"{place}.{name}") for name, part in named}
    types = (int, float) if kind is float else get_args(kind) or (kind,)
    return _checked(types, value, place)


def _decode_fields(kind: Any, value: Plain, place: str) -> Any:
    parts = _checked((dict,), value, place)
    kinds = {field.name: field.type for field in dataclasses.fields(kind)}
    if missing := [name for name in kinds if name not in parts]:
        raise ValueError(f"{place or 'it'} has no {', '.join(missing)}.")
    if unknown := [name for name in parts if name not in kinds]:
        raise ValueError(f"{place or 'it'} has the unknown {', '.join(unknown)}.")
    prefix = f"{place}." if place else ""
    return kind(
        **{name: _decode(kinds[name], parts[name], prefix + name) for name in kinds}
    )


def _checked(types: tuple[type, ...], value: Plain, place: str) -> Any:
    # Not by `isinstance`: true and false are no numbers here.
    if type(value) not in types:
        names = " or ".join(dict.fromkeys(_NAMES[kind] for kind in types))
        given = _NAMES[type(value)]
        raise ValueError(f"{place or 'it'} must be {names}, not {given}.")
    return value
