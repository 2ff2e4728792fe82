"""What a pytree is made of, as text, and how two of them differ."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._checks import path_name
from funclearn.checkpoints._leaves import Leaf, fits

__all__ = ["Node", "Structure", "differences", "structure_of"]


class Node(NamedTuple):
    """A container: its class, and the fields of it that hold no arrays."""

    kind: str
    static: dict[str, str]

    def __str__(self) -> str:
        return self.kind.replace(":", ".")


class Structure(NamedTuple):
    """A pytree, taken apart.

    Attributes:
        nodes: the containers by their paths, from the root.
        leaves: the leaves by their paths, in the order of the pytree.
    """

    nodes: dict[str, Node]
    leaves: dict[str, Any]


def structure_of(name: str, tree: PyTree) -> Structure:
    """Takes a pytree apart, one level at a time; paths begin with `name`."""
    structure = Structure({}, {})

    def visit(path: tuple[Any, ...], node: Any) -> None:
        # One level: whatever is not the node itself is taken for a leaf.
        level, _ = jax.tree_util.tree_flatten_with_path(
            node, is_leaf=lambda one: one is not node
        )
        is_leaf = len(level) == 1 and level[0][0] == ()
        into = structure.leaves if is_leaf else structure.nodes
        text = free = path_name(name, path)
        for number in range(2, len(into) + 2):  # two keys may have one text
            if free not in into:
                break
            free = f"{text}#{number}"
        if is_leaf:
            into[free] = node
            return
        into[free] = Node(_kind(type(node)), _static(node, level))
        for keys, child in level:
            visit((*path, *keys), child)

    visit((), tree)
    return structure


def _kind(one: Any) -> str:
    """The module and the name of a class or function, the same in every process."""
    return f"{getattr(one, '__module__', None) or ''}:{one.__qualname__}"


def _static(node: Any, children: list[tuple[tuple[Any, ...], Any]]) -> dict[str, str]:
    """The fields of a dataclass that are not among its children, as text."""
    if not dataclasses.is_dataclass(node):
        return {}
    names = {getattr(keys[0], "name", None) for keys, _ in children}
    fields = [field.name for field in dataclasses.fields(node)]
    texts = {
        field: _text(getattr(node, field, None))
        for field in fields
        if field not in names
    }
    return {field: text for field, text in texts.items() if text is not None}


def _text(value: Any) -> str | None:
    """A value as text that is the same in every process; None if there is none."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    if isinstance(value, np.dtype):
        return str(value)
    if callable(value) and isinstance(getattr(value, "__qualname__", None), str):
        return ":".join(_identity(_kind(value)))
    if isinstance(value, tuple | list | set | frozenset):
        parts = [_text(part) for part in value]
        known = [part for part in parts if part is not None]
        ordered = isinstance(value, tuple | list)
        inside = ", ".join(known if ordered else sorted(known))
        return f"{type(value).__name__}({inside})" if known == parts else None
    return None


def _identity(kind: str) -> tuple[str, str]:
    """The package and the name of a class; modules move between versions."""
    module, _, name = kind.partition(":")
    return module.partition(".")[0], name


def _same_kind(one: str, other: str) -> bool:
    (package, name), (package2, name2) = _identity(one), _identity(other)
    # A script's classes are in `__main__`, and elsewhere when it is imported.
    script = "__main__" in (package, package2)
    return name == name2 and (script or package == package2)


def differences(saved: Structure, like: Structure) -> Iterator[str]:
    """How a structure that was saved differs from the one it is to be restored to.

    Both have the facts of the leaves as leaves. What lies below a container that
    differs is not told.
    """
    told: list[str] = []
    for path in {**saved.nodes, **like.nodes, **saved.leaves, **like.leaves}:
        if any(_is_at(path, above) for above in told):
            continue
        one, other = _at(path, saved), _at(path, like)
        difference = _difference(path, one, other)
        if difference:
            told.append(path)
            yield difference


def _is_at(path: str, above: str) -> bool:
    """Whether a path is another one or below it."""
    return path.startswith(above) and path[len(above) : len(above) + 1] in ("", *".[")


def _at(path: str, structure: Structure) -> Node | Leaf | None:
    return structure.nodes.get(path) or structure.leaves.get(path)


def _difference(path: str, one: Node | Leaf | None, other: Node | Leaf | None) -> str:
    """In words; empty where there is none."""
    if one is None or other is None:
        there, missing = ("like", "the file") if one is None else ("the file", "like")
        return f"{path}, {one or other}, is in {there} and not in {missing}"
    if isinstance(one, Node) and isinstance(other, Node):
        if _same_kind(one.kind, other.kind):
            return _difference_of_fields(path, one.static, other.static)
    elif isinstance(one, Leaf) and isinstance(other, Leaf) and fits(one, other):
        return ""
    return f"{path} was saved as {one} and is {other} in like"


def _difference_of_fields(
    path: str, one: Mapping[str, str], other: Mapping[str, str]
) -> str:
    for field in one:
        if one[field] != other.get(field, one[field]):
            was, now = one[field], other[field]
            return f"{path}.{field} was saved as {was} and is {now} in like"
    return ""
