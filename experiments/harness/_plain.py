"""Values of a run as the plain values of strict JSON, and as text to read."""

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol, TypeAlias, runtime_checkable

__all__ = [
    "Plain",
    "cell",
    "computed_cell",
    "encode",
    "number",
    "numeric_columns",
    "parts",
    "plain",
    "power",
    "written",
]

Plain: TypeAlias = str | int | float | list["Plain"] | dict[str, "Plain"] | None
"""What JSON can hold; floats may be infinite or NaN."""


@runtime_checkable
class _Array(Protocol):
    """An array or a scalar of NumPy or JAX."""

    def tolist(self) -> object: ...


def plain(value: object) -> Plain:
    """Turns arrays, tuples and dataclasses into lists, dicts and Python scalars.

    Any other value that JSON has no type for, such as a path, becomes its `str`.
    """
    if isinstance(value, _Array):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def encode(value: object) -> str:
    """Writes `plain(value)` as strict JSON.

    JSON has no infinity and no NaN: they become the strings `"inf"`, `"-inf"` and
    `"nan"`, which `float` reads back.
    """
    return json.dumps(_quote_non_finite(plain(value)), indent=2, allow_nan=False)


def _quote_non_finite(value: Plain) -> Plain:
    if isinstance(value, dict):
        return {key: _quote_non_finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_quote_non_finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def cell(value: object) -> str:
    """Writes a value for a table: four significant digits, one line a named part."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            # A whole number keeps its digits: 18473 epochs are not 18470.
            whole = value.is_integer() and abs(value) < _COUNT
            return number(value, 7 if whole else 4)
        case dict():
            return "\n".join(f"{name} {cell(part)}" for name, part in value.items())
        case list() | tuple():
            return f"({', '.join(map(cell, value))})"
        case str():
            return written(value)
    return str(value)


def number(value: float, digits: int = 4) -> str:
    """Writes a number with so many significant digits, as `written` does."""
    return written(f"{value:.{digits}g}")


def written(text: str) -> str:
    """Writes a number as people do: 1e-05 is 0.00001, and 1.2e-09 is 1.2×10⁻⁹.

    Args:
        text: a number as programs write it, whose digits stay as they are; any other
            text is returned.
    """
    number = _POWER.fullmatch(text)
    if number is None:
        return text
    factor, exponent = number.groups()
    if _LEAST <= int(exponent) <= _MOST:
        return format(Decimal(text), "f")
    sign, size = ("-", factor[1:]) if factor.startswith("-") else ("", factor)
    return power(sign, "" if size == "1" else size, int(exponent))


def power(sign: str, factor: str, exponent: int) -> str:
    """Writes a power of ten, after its sign and its factor if it has these."""
    times = f"{factor}×" if factor else ""
    return f"{sign}{times}10{str(exponent).translate(_RAISED)}"


_POWER = re.compile(r"(-?\d+(?:\.\d+)?)e([-+]?\d+)")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# Powers of ten between these are written out.
_LEAST, _MOST = -5, 5
_COUNT = 1e7


def numeric_columns(rows: Sequence[Sequence[object]]) -> list[bool]:
    """Says which columns of a table hold numbers alone, encoded ones included."""
    return [all(map(_is_number, column)) for column in zip(*rows, strict=True)]


def _is_number(value: object) -> bool:
    return type(value) in (int, float) or value in ("inf", "-inf", "nan")


def parts(
    published: Plain, computed: Plain, tolerance: Plain
) -> list[tuple[str, str, str, str]]:
    """Sets a published value beside a computed one, a row for each named part.

    Returns:
        Name of the part, published and computed text, and the largest difference that
        meets the figure; a value without parts is one row whose name is empty.
    """
    if not isinstance(published, dict):
        texts = cell(published), computed_cell(published, computed), _within(tolerance)
        return [("", *texts)]
    computed = computed if isinstance(computed, dict) else {}
    tolerance = tolerance if isinstance(tolerance, dict) else {}
    return [
        (
            name,
            cell(part),
            computed_cell(part, computed.get(name)),
            _within(tolerance.get(name)),
        )
        for name, part in published.items()
    ]


def _within(tolerance: Plain) -> str:
    """Writes a tolerance; a list of equal ones as one."""
    if isinstance(tolerance, list):
        texts = list(dict.fromkeys(map(_within, tolerance)))
        return texts[0] if len(texts) == 1 else ", ".join(texts)
    if isinstance(tolerance, dict):
        return _within([*tolerance.values()])
    match tolerance:
        case None:
            return "-"
        case 0:
            return "exact"
    return f"±\u00a0{number(float(tolerance), 2)}"


def computed_cell(published: Plain, computed: Plain) -> str:
    """Writes a computed value with one digit more than the published one has."""
    match published, computed:
        case list(), list() if len(published) == len(computed):
            return f"({', '.join(map(computed_cell, published, computed))})"
        case str(), [float() as least, float() as greatest]:
            texts = _digits_like(published, least), _digits_like(published, greatest)
            return " to ".join(texts)
        case str(), float():
            return _digits_like(published, computed)
    return cell(computed)


def _digits_like(published: str, computed: float) -> str:
    try:
        exponent = Decimal(published).as_tuple().exponent
    except ArithmeticError:
        if not computed:
            return "equal to autodiff"
        return f"within {number(computed, 2)} of autodiff"
    if not isinstance(exponent, int) or len(published) > 12:
        return number(computed, 9)
    if "e" in published:
        return written(f"{computed:.{_decimals(published) + 1}e}")
    return f"{computed:.{max(1 - exponent, 0)}f}"


def _decimals(published: str) -> int:
    """Counts the digits between the point and the e."""
    return len(published.partition("e")[0].partition(".")[2])
