"""What a cell of a table says: a number, nothing, or something else."""

import re
from collections.abc import Iterable

import numpy as np

__all__ = ["advice", "is_missing", "numbers", "shown"]

_MISSING = frozenset(
    "|na|n/a|n.a.|#n/a|#na|<na>|nan|-nan|null|(null)|none|nil|missing"
    "|?|-|--|.|..|...|:|*|#div/0!|#value!|#ref!|\\n|\N{EN DASH}|\N{EM DASH}".split("|")
)

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)

# In print, blanks and apostrophes part thousands and are no decimal marks.
_SPACED = re.compile(r"[+-]?\d{1,3}(?:([ '\u2019\u00a0\u2009\u202f])\d{3})(?:\1\d{3})*")
_GROUPED = {
    ".": re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.ASCII),
    ",": re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?", re.ASCII),
}

_CURRENCY = r"[$€£¥₹]|usd|eur|gbp|chf|jpy|cny|inr"
_ADVICE = {
    r"[+-]?inf(inity)?": "leave its row out of the file, or its column with inputs",
    r"[+-]?\d+[.,]?\d*\s*%": "delete the percent signs",
    rf"[+-]?\s*({_CURRENCY}).*\d.*|.*\d\s*({_CURRENCY})": (
        "delete the signs of currency"
    ),
    r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([T ].*)?": (
        "if it is a date, write a number for it, as days since the first, or leave "
        "the column out with inputs"
    ),
    r"\d{1,2}:\d\d(:\d\d.*)?( ?[ap]m)?": (
        "if it is a time of day, write a number for it, as seconds, or leave the "
        "column out with inputs"
    ),
    r"[+-]?[\d.]*,\d*([eE][+-]?\d+)?": (
        "pass decimal=',' if its comma is a decimal mark, or delete the commas if they "
        "part thousands"
    ),
    r"0[xX][\da-fA-F]+|\d+(_\d+)+": "write it in plain decimal digits",
    r"\(.*\d.*\)": "write negative numbers with a minus",
}


def is_missing(text: str) -> bool:
    """Whether a cell is empty or holds what stands for an empty one, as NA."""
    return text.strip().lower() in _MISSING


def numbers(texts: Iterable[str], decimal: str) -> dict[str, float]:
    """The numbers among the texts of one column.

    Fortran's exponents (1.5D3), minus signs of typesetting and marks between thousands
    are read. A lone mark, as in 1,234, is one between thousands only if another cell of
    the column leaves no doubt, as 1,234.5 or 1,234,567 do.

    Args:
        texts: the cells, each once or more.
        decimal: the decimal mark.

    Returns:
        By text, what it stands for; other texts are left out.
    """
    distinct = set(texts)
    found = {text: _number(text, decimal) for text in distinct}
    doubtful = {
        text: value
        for text in distinct
        if found[text] is None and (value := _grouped_number(text, decimal)) is not None
    }
    if any(_is_surely_grouped(text, decimal) for text in doubtful):
        found |= doubtful
    return {text: value for text, value in found.items() if value is not None}


def advice(text: str, decimal: str) -> str:
    """What is wrong with a cell that is no number, and what to do; a clause."""
    text = text.strip()
    if _INTEGER.fullmatch(text):
        return (
            "has more digits than a float64 holds; subtract a constant, or leave the "
            "column out with inputs"
        )
    what = "is no finite number"
    if decimal == "," and _NUMBER.fullmatch(text):
        return f"{what} where decimal=','; pass decimal='.'"
    for pattern, clause in _ADVICE.items():
        if re.fullmatch(pattern, text, re.IGNORECASE | re.ASCII):
            return f"{what}; {clause}"
    return what


def shown(text: str) -> str:
    """A text in quotation marks, on one line and not too long."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _number(text: str, decimal: str) -> float | None:
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if _INTEGER.fullmatch(text):
        # Distinct integers that became one float would be a silent loss.
        return float(text) if len(text) < 16 or _is_exact(text) else None
    if decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".")
    whole, point, rest = text.partition(".")
    if _SPACED.fullmatch(whole) and not rest.strip("0123456789"):
        text = re.sub(r"[^\d+-]", "", whole) + point + rest
    text = re.sub(r"(?<=[\d.])[dD](?=[+-]?\d+$)", "e", text)
    value = float(text) if _NUMBER.fullmatch(text) else np.inf
    return value if np.isfinite(value) else None


def _is_exact(integer: str) -> bool:
    # Python refuses to read integers of more than some thousand digits.
    if len(integer) > 300:
        return False
    return int(float(integer)) == int(integer)


def _grouped_number(text: str, decimal: str) -> float | None:
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if not _GROUPED[decimal].fullmatch(text):
        return None
    mark = "," if decimal == "." else "."
    return _number(text.replace(mark, ""), decimal)


def _is_surely_grouped(text: str, decimal: str) -> bool:
    mark = "," if decimal == "." else "."
    return text.count(mark) > 1 or decimal in text
