"""Tables that nobody would write, for `read_csv`."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

import funclearn as fl
from benchmarks._children import tell
from benchmarks.faults._guard import guarded

__all__ = ["case", "child", "drawn"]

_CELLS = (
    *("", " ", "NA", "?", "nan", "inf", "-inf", "1e999", "1e-999", "-0", "+1", "1_000"),
    *(
        "0x10",
        "1,5",
        "1.5.2",
        "1e",
        ".",
        "-",
        "true",
        "a b",
        "\u0663",
        "\ufeff",
        "\x00",
    ),
    *('"', '""', '"a,b"', '"a\nb"', "'1'", "#", "%", "=1+1", "9" * 400, "x" * 70_000),
    *("\u2028", "\x1a", "\x0b", "1\u00a0000", "\U0001f600", "\ud800", "2020-01-01"),
)
_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1", "utf-32", "cp500")
_NAMES = ("a", "b", "y", "", "a", " a", "0", "1", "-1", '"q"', "\u00e9", "a\nb", "#c")


def drawn(rng: np.random.Generator) -> tuple[bytes, dict[str, Any]]:
    """A file, and the arguments to read it with."""

    def one(options: tuple[Any, ...]) -> Any:
        return options[rng.integers(len(options))]

    # Every other one could be read, but for a few cells.
    tame = bool(rng.random() < 0.5)
    mark = "," if tame else str(one((",", ";", "\t", "|", " ", ":", ",,")))
    end = "\n" if tame else str(one(("\n", "\r\n", "\r", "\n\n", "\n\r", "\x85")))
    width = 3 if tame else int(rng.integers(0, 6))
    strange = float(one((0.0, 0.02) if tame else (0.0, 0.02, 0.3)))

    def cell() -> str:
        return one(_CELLS) if rng.random() < strange else f"{rng.normal():.4g}"

    names = _NAMES[:3] if tame else [str(one(_NAMES)) for _ in range(width)]
    lines = [mark.join(names)]
    for _ in range(int(rng.integers(0, 30))):
        length = width if rng.random() > strange else int(rng.integers(0, 9))
        lines.append(mark.join(cell() for _ in range(length)))
    content = end.join(lines).encode(str(one(_ENCODINGS)), "replace")
    if rng.random() < (0.05 if tame else 0.3):
        content = _mutated(rng, content)
    if rng.random() < 0.2:
        content = one(_PACKED)(content)
        if rng.random() < 0.5:
            content = _mutated(rng, content)
    if tame:
        return content, {"target": one(("y", "a", 0)), "missing": one(("drop", "mean"))}
    arguments = {
        "target": one(("y", "a", "", 0, 1, -1, 99, 10**30)),
        "inputs": one((None, None, "a", 0, ["a", "b"], [], ["a", "a"], [0, 1])),
        "header": bool(one((True, True, False))),
        "delimiter": one((None, None, None, mark, ",", "", "ab", "\n", "1", '"')),
        "decimal": one((".", ".", ",", ";")),
        "missing": one(("refuse", "drop", "mean", "no")),
        "categories": one(("refuse", "one-hot")),
    }
    return content, arguments


def _mutated(rng: np.random.Generator, content: bytes) -> bytes:
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(len(data) + 1))
        kind = rng.integers(4)
        if kind == 0:
            data[at : at + int(rng.integers(1, 9))] = b""
        elif kind == 1:
            data[at:at] = rng.bytes(int(rng.integers(1, 9)))
        elif kind == 2:
            data[at : at + 1] = rng.bytes(1)
        else:
            data[at:at] = data[: int(rng.integers(len(data) + 1))]
    return bytes(data)


def _zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.csv", content)
    return file.getvalue()


_PACKED: tuple[Callable[[bytes], bytes], ...] = (
    gzip.compress,
    bz2.compress,
    lzma.compress,
    _zipped,
)


def case(number: int) -> dict[str, str]:
    """Reads a table; what is read must be whole."""
    content, arguments = drawn(np.random.default_rng([1, number]))

    def use() -> str:
        dataset = fl.data.read_csv(io.BytesIO(content), **arguments)
        inputs, targets = np.asarray(dataset.inputs), np.asarray(dataset.targets)
        whole = len(inputs) == len(targets) > 0
        numbers = not (np.isnan(inputs).any() or np.isnan(targets).any())
        return "read" if whole and numbers else "WRONG: rows or numbers are missing"

    return guarded(use, (OSError, ValueError, TypeError))


def child(start: int, stop: int) -> None:
    """Reads tables in a process of its own."""
    tell(case, start, stop)
