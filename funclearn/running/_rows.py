"""Rows of a history as lines of text: CSV and JSON Lines.

Numbers are the shortest that read back to the same bits of their dtype. A line is a
template of `%`, and a block of lines is one application of it: several times as fast as
a line after the other.
"""

import json
import math
import operator
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._jaxprs import is_key
from funclearn._words import described

__all__ = ["Format", "columns", "csv_format", "entries", "json_format", "places"]

# A table is read by people: a matrix in every row is for the JSON Lines.
_SMALL = 16

# The values of a block stay in the cache of a core, and its text is a few MB at most.
_BLOCK = 8192

Cells = tuple[str, list[list[object]]]


class Format(NamedTuple):
    """How rows become lines.

    Attributes:
        head: what the file begins with.
        lines: of the number of epochs before, and rows, their lines.
    """

    head: bytes
    lines: Callable[[int, PyTree], Iterator[bytes]]


def entries(row: PyTree) -> dict[str, jax.ShapeDtypeStruct]:
    """The leaves of a row by their keys, joined by dots; "value" names a row of one.

    Raises:
        TypeError: if a leaf has no real numbers.
        ValueError: if there is no leaf, two have one name, or one is called `epoch`.
    """
    found: dict[str, jax.ShapeDtypeStruct] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(row):
        name = jax.tree_util.keystr(path, simple=True, separator=".") or "value"
        dtype = getattr(leaf, "dtype", None)
        if dtype is None or is_key(dtype) or not _is_real(dtype):
            got = described(leaf) if dtype is None else dtype
            raise TypeError(
                f"{name} of a row must hold real numbers to be logged; got {got}. "
                "Leave it out of what record or evaluate returns."
            )
        if name in found or name == "epoch":
            taken = "twice" if name in found else "beside the number of the epoch"
            raise ValueError(
                f"the names of a row's entries must be distinct to be logged; got "
                f"{name!r} {taken}. Rename it in what record or evaluate returns."
            )
        found[name] = leaf
    if not found:
        raise ValueError(
            f"a row must hold at least one array to be logged; got {row!r}."
        )
    return found


def columns(row: PyTree) -> list[str]:
    """The names of a row's numbers, in the order of its leaves.

    Args:
        row: a pytree of arrays, or of their `jax.ShapeDtypeStruct`, for one epoch.

    Returns:
        The names, such as `loss`, `evaluation.accuracy`, and `rates[0]`, `w[1,2]` for
        the entries of small arrays. Arrays of more than 16 numbers are left out.

    Raises:
        TypeError: if a leaf has no real numbers.
        ValueError: if there is no leaf, two have one name, or one is called `epoch`.
    """
    return [
        place for name, leaf in entries(row).items() for place in places(name, leaf)
    ]


def places(name: str, leaf: jax.ShapeDtypeStruct) -> list[str]:
    """The names of the numbers of a leaf; none if there are more than 16."""
    if math.prod(leaf.shape) > _SMALL:
        return []
    indices = [",".join(map(str, index)) for index in np.ndindex(*leaf.shape)]
    return [f"{name}[{index}]" if index else name for index in indices]


def csv_format(row: PyTree) -> Format:
    """A table: `epoch`, then the `columns`; names are quoted as RFC 4180 has it.

    Booleans are 0 and 1, missing values `nan`, infinities `inf` and `-inf`.
    """
    small = [bool(places(name, leaf)) for name, leaf in entries(row).items()]
    names = ",".join(map(_quoted, ["epoch", *columns(row)]))

    def cells(rows: PyTree) -> Iterator[Cells]:
        for leaf, kept in zip(jax.tree.leaves(rows), small, strict=True):
            if kept:
                specs, values = _cells(leaf, finite=False)
                yield "," + ",".join(specs), values

    return Format(
        # A name may hold what no encoding does: half of a pair of code points.
        f"{names}\n".encode(errors="backslashreplace"),
        lambda start, rows: _lines("%d{}\n", start, rows, cells),
    )


def json_format(row: PyTree) -> Format:
    """An object a line, `epoch` first; arrays are nested lists, whatever their size.

    JSON has no NaN and no infinities: `null` stands for them, which pandas reads as
    NaN. Booleans are `true` and `false`.
    """
    names = [f", {json.dumps(name)}: ".replace("%", "%%") for name in entries(row)]

    def cells(rows: PyTree) -> Iterator[Cells]:
        for name, leaf in zip(names, jax.tree.leaves(rows), strict=True):
            specs, values = _cells(leaf, finite=True)
            nested = np.asarray(specs, object).reshape(np.shape(leaf)[1:])
            yield name + _brackets(nested.tolist()), values

    return Format(
        b"",
        lambda start, rows: _lines('{{"epoch": %d{}}}\n', start, rows, cells),
    )


def _lines(
    line: str, start: int, rows: PyTree, cells: Callable[[PyTree], Iterator[Cells]]
) -> Iterator[bytes]:
    """The lines of rows, a block at a time."""
    length = len(jax.tree.leaves(rows)[0])
    for first in range(0, length, _BLOCK):
        last = min(first + _BLOCK, length)
        part = jax.tree.map(operator.itemgetter(slice(first, last)), rows)
        made = list(cells(part))
        lists = [range(start + first + 1, start + last + 1)]
        lists += [values for _, group in made for values in group]
        flat: list[object] = [None] * (len(lists) * (last - first))
        for at, values in enumerate(lists):
            flat[at :: len(lists)] = values
        template = line.format("".join(spec for spec, _ in made))
        yield ((template * (last - first)) % tuple(flat)).encode("ascii")


def _cells(leaf: np.ndarray, *, finite: bool) -> tuple[list[str], list[list[object]]]:
    """The specifications and the values of a leaf's numbers, one list a place.

    Args:
        leaf: `(n, ...)`.
        finite: whether to write `null` for what is not finite.
    """
    leaf = np.asarray(leaf)
    flat = leaf.reshape(len(leaf), math.prod(leaf.shape[1:])).T
    if flat.dtype == bool:
        words = np.array(["false", "true"] if finite else ["0", "1"], object)
        return ["%s"] * len(flat), [words[part.astype(int)].tolist() for part in flat]
    if not jnp.issubdtype(flat.dtype, jnp.floating):
        return ["%d"] * len(flat), [part.tolist() for part in flat]
    spec, values = "%r", flat
    if flat.dtype.itemsize < 8:
        spec, values = "%.9g", _shortest(flat)
    odd = (values == 0) & np.signbit(values)
    if finite:
        odd |= ~np.isfinite(values)
    found = [_column(spec, *pair) for pair in zip(values, odd, strict=True)]
    return [one for one, _ in found], [cells for _, cells in found]


def _column(spec: str, values: np.ndarray, odd: np.ndarray) -> tuple[str, list[object]]:
    """One place, in words where some of its values have no number to stand for them."""
    if not odd.any():
        return spec, values.tolist()
    texts = [spec % value for value in values.tolist()]
    for at in np.flatnonzero(odd).tolist():
        # Readers of a column of whole numbers would drop the sign of -0.
        texts[at] = "-0.0" if values[at] == 0 else "null"
    return "%s", texts


def _shortest(values: np.ndarray) -> np.ndarray:
    """In float64 the shortest decimals that round to values of a narrower type."""
    info = jnp.finfo(values.dtype)
    most = math.ceil(1 + (info.nmant + 1) * math.log10(2))
    # NaN, infinities and zeros have no digits, and signalling NaN no quiet cast.
    with np.errstate(all="ignore"):
        exact = values.astype(np.float64)
        short = exact.copy()
        size = np.abs(exact)
        # Every decimal of `precision` digits comes back whole, but from a subnormal.
        tiny = bool(np.any((size < float(info.tiny)) & (size > 0)))
        power = 10.0 ** -np.floor(np.log10(size))
        # Nine digits are those that are written anyway.
        for digits in range(min(most, 8), 0 if tiny else info.precision - 1, -1):
            scale = power * 10.0 ** (digits - 1)
            candidate = np.rint(exact * scale) / scale
            # The decimal itself is near, on either side.
            same = (candidate * (1 - 1e-15)).astype(values.dtype) == values
            same &= (candidate * (1 + 1e-15)).astype(values.dtype) == values
            short = np.where(same, candidate, short)
    return short


def _is_real(dtype: np.dtype) -> bool:
    kinds = (jnp.floating, jnp.integer, jnp.bool_)
    return any(jnp.issubdtype(dtype, kind) for kind in kinds)


def _quoted(name: str) -> str:
    if not name or name != name.strip() or any(mark in name for mark in ',"\r\n'):
        return '"' + name.replace('"', '""') + '"'
    return name


def _brackets(specs: object) -> str:
    if isinstance(specs, list):
        return f"[{', '.join(map(_brackets, specs))}]"
    return str(specs)
