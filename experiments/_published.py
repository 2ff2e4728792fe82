"""The figures that the texts publish, and the rule by which a computed one meets them.

`published_figures.json` holds what was printed: numbers are strings of digits, so
that the rule can see their last one. The parts of a figure, in lists and
dictionaries, are compared one by one, by what the published part is:

- an integer is met exactly;
- a number in digits is met within `rtol` of its size where the entry has one, else
  within one unit of its last digit plus 2e-6 of its size; `inf` is met by `inf`;
- a formula is met where its largest difference from autodiff is at most 1e-6;
- a behaviour, the refusal of integers, is met by a message that asks for
  floating-point values.

NaN meets nothing.
"""

import functools
import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from experiments._plain import plain

__all__ = ["Comparison", "Published", "compare", "compare_all", "load", "sources"]

FORMULA_TOLERANCE = 1e-6
RELATIVE_SLACK = 2e-6


class Published(NamedTuple):
    """One published figure.

    Attributes:
        id: its identifier.
        experiment: the experiment that computes it.
        source: the text that publishes it, a key of `sources()`.
        setting: data, initial parameters and settings that it was computed with.
        quantity: what it is; formulas and behaviours say so here.
        value: what was printed: digits, integers or text, or lists and dictionaries
            of them.
        rtol: relative tolerance that takes the place of the last digit's.
        note: what else there is to know.
    """

    id: str
    experiment: str
    source: str
    setting: str
    quantity: str
    value: Any
    rtol: float | None = None
    note: str = ""


class Comparison(NamedTuple):
    """A computed value beside the published one.

    Attributes:
        published: the published figure.
        computed: the computed value, of the structure of `published.value`.
        difference: absolute difference, part by part; None where there is none.
        tolerance: largest difference that meets the figure, part by part.
        misses: a sentence for every part that is missed.
    """

    published: Published
    computed: Any
    difference: Any
    tolerance: Any
    misses: tuple[str, ...]

    @property
    def met(self) -> bool:
        """Whether every part is met."""
        return not self.misses


class _Part(NamedTuple):
    difference: Any
    tolerance: Any
    misses: tuple[str, ...]


@functools.cache
def _document() -> dict[str, Any]:
    path = Path(__file__).with_name("published_figures.json")
    return json.loads(path.read_text(encoding="utf-8"))


def load() -> tuple[Published, ...]:
    """Reads every published figure, in the order of the file."""
    return tuple(Published(**entry) for entry in _document()["figures"])


def sources() -> dict[str, str]:
    """Reads the texts: short name -> what it is."""
    return _document()["sources"]


def compare_all(experiment: str, computed: Mapping[str, Any]) -> tuple[Comparison, ...]:
    """Compares all figures that an experiment owns; one not computed is missed."""
    owned = (entry for entry in load() if entry.experiment == experiment)
    return tuple(compare(entry, computed.get(entry.id)) for entry in owned)


def compare(published: Published, computed: Any) -> Comparison:
    """Compares a computed value with a published figure by the rule of this module.

    Args:
        published: the figure.
        computed: numbers, or lists, tuples, arrays and dictionaries of them, in the
            structure of `published.value`; for a formula its largest absolute
            difference from autodiff, for a behaviour the message.

    Returns:
        The comparison; a wrong structure is a miss with its reason.
    """
    value = plain(computed)
    return Comparison(published, value, *_compare(published, published.value, value))


def _compare(entry: Published, published: Any, computed: Any) -> _Part:
    if computed is None:
        return _missed("not computed")
    match published:
        case dict() | list():
            return _compare_parts(entry, published, computed)
        case int():
            return _compare_integer(published, computed)
    try:
        number = float(published)
    except ValueError:
        return _compare_text(entry.quantity, computed)
    return _compare_number(number, computed, _tolerance(entry, published))


def _compare_parts(
    entry: Published, published: dict[str, Any] | list[Any], computed: Any
) -> _Part:
    if type(computed) is not type(published):
        return _missed(f"needs a {_kind(published)}, got a {_kind(computed)}")
    expected, given = _named(published), _named(computed)
    parts = {
        name: _compare(entry, part, given.get(name)) for name, part in expected.items()
    }
    misses = [f"{name}: {miss}" for name, part in parts.items() for miss in part.misses]
    misses += [f"{name}: not published" for name in given if name not in expected]
    differences = {name: part.difference for name, part in parts.items()}
    tolerances = {name: part.tolerance for name, part in parts.items()}
    if isinstance(published, list):
        return _Part([*differences.values()], [*tolerances.values()], tuple(misses))
    return _Part(differences, tolerances, tuple(misses))


def _named(parts: dict[str, Any] | list[Any]) -> dict[str, Any]:
    if isinstance(parts, dict):
        return parts
    return {f"[{index}]": part for index, part in enumerate(parts)}


def _compare_integer(published: int, computed: Any) -> _Part:
    if type(computed) is not int:
        return _missed(f"needs an integer, got a {_kind(computed)}")
    return _judged(abs(computed - published), 0)


def _compare_text(quantity: str, computed: Any) -> _Part:
    if quantity != "behaviour":
        return _compare_number(0.0, computed, FORMULA_TOLERANCE)
    asks = re.search(r"floating[- ]point|real- or complex-valued", str(computed))
    if isinstance(computed, str) and asks:
        return _Part(None, None, ())
    return _missed("no message that asks for floating-point values")


def _compare_number(published: float, computed: Any, tolerance: float) -> _Part:
    if type(computed) not in (int, float):
        return _missed(f"needs a number, got a {_kind(computed)}")
    if math.isinf(published) and computed == published:
        return _judged(0.0, tolerance)
    return _judged(abs(computed - published), tolerance)


def _tolerance(entry: Published, published: str) -> float:
    printed = Decimal(published)
    if not printed.is_finite():
        return 0.0
    if entry.rtol is not None:
        return entry.rtol * abs(float(printed))
    unit = float(Decimal(10) ** int(printed.as_tuple().exponent))
    return unit + RELATIVE_SLACK * abs(float(printed))


def _judged(difference: float, tolerance: float) -> _Part:
    # `not <=` rather than `>`: a difference that is NaN is missed.
    if not difference <= tolerance:
        reason = f"differs by {difference:.3g}, more than {tolerance:.3g}"
        return _Part(difference, tolerance, (reason,))
    return _Part(difference, tolerance, ())


def _missed(reason: str) -> _Part:
    return _Part(None, None, (reason,))


def _kind(value: Any) -> str:
    names = {dict: "dictionary", list: "list", str: "text", bool: "truth value"}
    return names.get(type(value), "number")
