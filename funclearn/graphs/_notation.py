"""Numbers, arrays, names and local derivatives of a graph as short text."""

import math
import re
from collections import Counter
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array

from funclearn._jaxprs import is_key
from funclearn.graphs._graph import Edge, Node, OwnRule, Value

__all__ = [
    "is_uniform",
    "local",
    "number",
    "short_names",
    "summary",
    "title",
]

# Three floating-point entries take at most 36 characters, which a drawing does not cut.
_FEW = 3
# Below 1e-4 Python's `g` format has an exponent too; 19403 says more than 1.94e+04.
_LEAST, _LARGEST = 1e-4, 1e6


def number(value: Array | np.generic, digits: int = 4) -> str:
    """Writes a scalar: significant digits, integers and truth values in full.

    Args:
        value: the scalar, an array.
        digits: how many digits are significant, after the point at least: 1763.885 is
            1764, and 0.00123456 is 0.001235.
    """
    if is_key(value.dtype):
        return "key"
    scalar = np.asarray(value).item()
    if isinstance(scalar, bool | int):
        return str(scalar).lower()
    if isinstance(scalar, float) and _LEAST <= abs(scalar) < _LARGEST:
        whole_digits = math.floor(math.log10(abs(scalar))) + 1
        text = f"{scalar:.{max(digits - whole_digits, 0)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{scalar + 0.0:.{digits}g}"  # -0 + 0 is 0


def is_uniform(value: Array) -> bool:
    """Whether one number stands for an array: a scalar, or all entries equal."""
    if is_key(value.dtype):
        return False
    entries = np.asarray(value)
    return entries.ndim == 0 or (
        entries.size > 0 and bool((entries == entries.flat[0]).all())
    )


def summary(value: Value, *, shape: bool = True) -> str:
    """Writes a scalar, or the shape and the range of an array.

    Args:
        value: an array or a tuple of them; None stands for no array.
        shape: whether to write the shape of arrays.
    """
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return "; ".join(summary(part, shape=shape) for part in value)
    if value.ndim == 0:
        return number(value)
    if value.ndim == 1 and 0 < value.size <= _FEW:
        return f"[{', '.join(number(entry, 3) for entry in value)}]"
    return f"{value.shape} {_content(value)}" if shape else _content(value)


def _content(array: Array | np.ndarray) -> str:
    if array.size == 0:
        return "empty"
    if is_key(array.dtype):
        return "keys"
    entries = np.asarray(array).ravel()
    if np.iscomplexobj(entries):
        return f"sizes {_content(np.abs(entries))}"
    if entries.dtype == bool:
        return f"{entries.sum()} true"
    finite = entries[np.isfinite(entries.astype(float))]
    parts = [_range(finite)] if finite.size else []
    if finite.size < entries.size:
        parts.append(f"{entries.size - finite.size} not finite")
    return ", ".join(parts)


def _range(entries: np.ndarray) -> str:
    least, largest = (number(entry, 3) for entry in (entries.min(), entries.max()))
    return f"all {least}" if least == largest else f"{least} … {largest}"


def title(node: Node) -> str:
    """Writes what a node is: its name, and the formula that it comes from."""
    return f"{node.name} = {node.formula}" if node.formula else node.name


def local(edge: Edge) -> str:
    """Writes the local derivative of an edge where it is a number, else nothing.

    Of a rule that is not linear it writes what that makes of the target's adjoint.
    """
    derivative = edge.derivative
    if edge.rule:
        return f"{_mapped(edge.rule)}rule of its own, not linear"
    if derivative is None or derivative.shape or not derivative.is_real:
        return ""
    return number(derivative.jacobian())


def _mapped(rule: OwnRule) -> str:
    if rule.adjoint is None:
        return ""
    pair = rule.adjoint, rule.share(rule.adjoint)
    if any(map(np.ndim, jax.tree.leaves(pair))):
        return ""
    return " ↦ ".join(map(summary, pair)) + ", "


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Abbreviates `params['Dense_0']['kernel']` to `kernel`, or to `Dense_0.kernel`.

    Args:
        names: each different, as Python would reach a leaf.

    Returns:
        Each name with its last parts, as few as tell it from the others.
    """
    parts = {name: re.findall(r"\w+", name) for name in names}
    longest = max(map(len, parts.values()), default=0)
    short: dict[str, str] = {}
    for length in range(1, longest + 1):
        ends = {name: _end(parts[name][-length:]) for name in names}
        counts = Counter(ends.values())
        for name, end in ends.items():
            # An index by itself would read as a number.
            if counts[end] == 1 and not end[0].isdigit():
                short.setdefault(name, end)
    return {name: short.get(name, name) for name in names}


def _end(parts: list[str]) -> str:
    first, *rest = parts
    return first + "".join(
        f"[{part}]" if part.isdigit() else f".{part}" for part in rest
    )
