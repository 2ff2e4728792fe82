"""Naming what was given, for messages, and the leaves of a pytree."""

import inspect
import reprlib
from collections.abc import Callable
from numbers import Real
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import PyTree

__all__ = ["Printer", "described", "named_leaves", "printed"]


def described(value: object) -> str:
    """Names a value in a few words, however large or long it is."""
    if isinstance(value, jax.Array | np.ndarray):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    if value is None or isinstance(value, str | bytes | Real):
        return reprlib.repr(value)
    if inspect.isclass(value) or inspect.isroutine(value):
        kind = "class" if inspect.isclass(value) else "function"
        return f"the {kind} {value.__name__}"
    return f"a {type(value).__name__}"


def named_leaves(
    tree: PyTree, is_leaf: Callable[[PyTree], bool] | None = None
) -> dict[str, PyTree]:
    """The leaves by their keys and attributes, joined by dots; "" names a tree of one.

    Args:
        tree: any pytree.
        is_leaf: of a node, whether to take it for a leaf.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_leaf)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): leaf
        for path, leaf in leaves
    }


@runtime_checkable
class Printer(Protocol):
    """What IPython writes text with."""

    def text(self, text: str, /) -> None:
        """Writes text."""
        ...


def printed(value: object, printer: Printer, cycle: bool) -> None:
    """Makes IPython write what `print` does, not the arrays that a value is made of."""
    del cycle  # whether it is within itself
    printer.text(str(value))
