"""The figures that the texts publish, and the rule by which a computed one meets them.

`published_figures.json` holds what was printed: numbers are strings of digits, so
that the rule can see their last one. The parts of a figure, in lists and
dictionaries, are compared one by one, by what the published part is:

- an integer is met exactly;
- a number in digits is met within `rtol` of its size where the entry has one, else
  within one unit of its last digit plus 2e-6 of its size; `inf` is met by `inf`;
- a formula is met where its largest difference from autodiff is at most 1e-6;
- a behaviour, the refusal of integers, is met by a message that asks for
  floating-point values;
- the result of a single run without a seed, an entry with `unseeded`, is met where it
  lies between the least and the greatest result of many seeds, its last digit allowed.

NaN meets nothing. An entry with `needs` names a data set that not every machine has: it
counts only in a run on that.
"""

import dataclasses
import functools
import json
import math
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from experiments.harness._plain import Plain, plain
from experiments.harness._rules import BEHAVIOUR, rule

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
        needs: the data set without which the entry does not count.
        unseeded: whether it is the result of a single run without a seed.
    """

    id: str
    experiment: str
    source: str
    setting: str
    quantity: str
    value: Plain
    rtol: float | None = None
    note: str = ""
    needs: str = ""
    unseeded: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """A computed value beside the published one.

    Attributes:
        id: identifier of the published figure.
        source: the text that publishes it.
        setting: what it was computed with.
        quantity: what it is.
        published: the published value.
        computed: the computed value, of the structure of `published`.
        difference: absolute difference, part by part; None where there is none.
        tolerance: largest difference that meets the figure, part by part.
        rule: where that comes from, in words.
        note: what else there is to know.
        met: whether every part is met.
        misses: a sentence for every part that is missed.
    """

    id: str
    source: str
    setting: str
    quantity: str
    published: Plain
    computed: Plain
    difference: Plain
    tolerance: Plain
    rule: str
    note: str
    met: bool
    misses: tuple[str, ...]


class _Part(NamedTuple):
    difference: Plain
    tolerance: Plain
    misses: tuple[str, ...]


class _Document(NamedTuple):
    sources: dict[str, str]
    figures: tuple[Published, ...]


@functools.cache
def _document() -> _Document:
    path = Path(__file__).with_name("published_figures.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    figures = tuple(Published(**entry) for entry in content["figures"])
    return _Document(content["sources"], figures)


def load() -> tuple[Published, ...]:
    """Reads every published figure, in the order of the file."""
    return _document().figures


def sources() -> dict[str, str]:
    """Reads the texts: short name -> what it is."""
    return _document().sources


def compare_all(
    experiment: str, computed: Mapping[str, object], data_sets: Collection[str] = ()
) -> tuple[Comparison, ...]:
    """Compares the figures that an experiment owns; one not computed is missed.

    Args:
        experiment: their owner.
        computed: by identifier.
        data_sets: those it ran on; an entry that needs another one does not count.
    """
    owned = (entry for entry in load() if entry.experiment == experiment)
    return tuple(
        compare(entry, computed.get(entry.id))
        for entry in owned
        if not entry.needs or entry.needs in data_sets
    )


def compare(published: Published, computed: object) -> Comparison:
    """Compares a computed value with a published figure by the rule of this module.

    Args:
        published: the figure.
        computed: numbers, or lists, tuples, arrays and dictionaries of them, in the
            structure of `published.value`; for a formula its largest absolute
            difference from autodiff, for a behaviour the message, for the result of
            a run without a seed the least and the greatest of many seeds.

    Returns:
        The comparison; a wrong structure is a miss with its reason.
    """
    value = plain(computed)
    difference, tolerance, misses = _compare(published, published.value, value)
    return Comparison(
        id=published.id,
        source=published.source,
        setting=published.setting,
        quantity=published.quantity,
        published=published.value,
        computed=value,
        difference=difference,
        tolerance=tolerance,
        rule=rule(
            published.value,
            quantity=published.quantity,
            rtol=published.rtol,
            unseeded=published.unseeded,
        ),
        note=published.note,
        met=not misses,
        misses=misses,
    )


def _compare(entry: Published, published: Plain, computed: Plain) -> _Part:
    if computed is None:
        return _missed("not computed")
    if entry.unseeded:
        return _compare_span(entry, str(published), computed)
    match published:
        case dict() | list():
            return _compare_parts(entry, published, computed)
        case int():
            return _compare_integer(published, computed)
    printed = str(published)
    try:
        number = float(printed)
    except ValueError:
        return _compare_text(entry.quantity, computed)
    return _compare_number(number, computed, _tolerance(entry, printed))


def _compare_parts(
    entry: Published, published: dict[str, Plain] | list[Plain], computed: Plain
) -> _Part:
    if not isinstance(computed, type(published)):
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


def _named(parts: dict[str, Plain] | list[Plain]) -> dict[str, Plain]:
    if isinstance(parts, dict):
        return parts
    return {f"[{index}]": part for index, part in enumerate(parts)}


def _compare_integer(published: int, computed: Plain) -> _Part:
    if isinstance(computed, bool) or not isinstance(computed, int):
        return _missed(f"needs an integer, got a {_kind(computed)}")
    return _judged(abs(computed - published), 0)


def _compare_text(quantity: str, computed: Plain) -> _Part:
    if quantity != BEHAVIOUR:
        return _compare_number(0.0, computed, FORMULA_TOLERANCE)
    asks = re.search(r"floating[- ]point|real- or complex-valued", str(computed))
    if isinstance(computed, str) and asks:
        return _Part(None, None, ())
    return _missed("no message that asks for floating-point values")


def _compare_number(published: float, computed: Plain, tolerance: float) -> _Part:
    if isinstance(computed, bool) or not isinstance(computed, int | float):
        return _missed(f"needs a number, got a {_kind(computed)}")
    if math.isinf(published) and computed == published:
        return _judged(0.0, tolerance)
    return _judged(abs(computed - published), tolerance)


def _compare_span(entry: Published, published: str, computed: Plain) -> _Part:
    match computed:
        case [int() | float() as least, int() | float() as greatest]:
            if math.isfinite(least) and math.isfinite(greatest):
                number = float(published)
                apart = max(least - number, number - greatest, 0.0)
                return _judged(apart, _tolerance(entry, published))
    return _missed("needs the least and the greatest of many seeds")


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


def _kind(value: Plain) -> str:
    names = {dict: "dictionary", list: "list", str: "text", bool: "truth value"}
    return names.get(type(value), "number")
