import math

import numpy as np
import pytest

from experiments import NAMES
from experiments.harness import _published
from experiments.harness._published import Published, compare

REFUSAL = "grad requires real- or complex-valued inputs, but got int32"

quantity_value_rtol_computed_met = [
    ("loss", "80.3643", None, 80.3643, True),
    ("loss", "80.3643", None, 80.3644, True),
    ("loss", "80.3643", None, 80.3643 + 2.5e-4, True),
    ("loss", "80.3643", None, 80.3643 + 2.7e-4, False),
    ("loss", "2.9276", None, 2.92775, False),
    ("loss", "2.9276", None, 2.92745, False),
    ("loss", "80.3643", None, np.float32(80.3643), True),
    ("loss", "50", None, 51, True),
    ("loss", "50", None, 51.5, False),
    ("loss", "50", 0.1, 54.69, True),
    ("loss", "50", 0.1, 55.1, False),
    ("loss", "100000.0", 1e-6, 100000.2, False),
    ("loss", "9.5483e-01", None, 0.95484, True),
    ("loss", "9.5483e-01", None, 0.954845, False),
    ("loss", "-3.2700e19", None, -3.2701e19, True),
    ("loss", "-3.2700e19", None, -3.27021e19, False),
    ("loss", "-3.2700e19", None, 3.27e19, False),
    ("loss", "inf", None, math.inf, True),
    ("loss", "inf", 0.1, np.float32(np.inf), True),
    ("loss", "inf", None, -math.inf, False),
    ("loss", "inf", 0.1, 3e38, False),
    ("loss", "nan", None, math.nan, False),
    ("loss", "1.0", None, math.inf, False),
    ("loss", "1.0", None, math.nan, False),
    ("loss", "1.0", None, None, False),
    ("loss", "1.0", None, True, False),
    ("loss", "1.0", None, "1.0", False),
    ("loss", "1.0", None, [1.0], False),
    ("loss", "1.0", None, 1j, False),
    ("sizes", [9, 2], None, (9, 2), True),
    ("sizes", [9, 2], None, np.array([9, 2]), True),
    ("sizes", [9, 2], None, (2, 9), False),
    ("sizes", [9, 2], None, (9.0, 2.0), False),
    ("sizes", [9, 2], None, (9,), False),
    ("sizes", [9, 2], None, (9, 2, 1), False),
    ("sizes", [9, 2], None, {"training": 9, "validation": 2}, False),
    ("both", {"a": "1.0", "b": ["2.0"]}, None, {"b": [2.0], "a": 1.0}, True),
    ("both", {"a": "1.0", "b": ["2.0"]}, None, {"b": [2.2], "a": 1.0}, False),
    ("both", {"a": "1.0", "b": ["2.0"]}, None, {"b": [math.nan], "a": 1.0}, False),
    ("both", {"a": "1.0", "b": ["2.0"]}, None, {"a": 1.0}, False),
    ("both", {"a": "1.0"}, None, {"a": 1.0, "b": 2.0}, False),
    ("both", {"a": "1.0"}, None, [1.0], False),
    ("formula", "2 x cos(x)", None, 1e-6, True),
    ("formula", "2 x cos(x)", None, 1.5e-6, False),
    ("formula", "2 x cos(x)", None, math.nan, False),
    ("formula", "2 x cos(x)", None, "2 x cos(x)", False),
    ("behaviour", "refused", None, REFUSAL, True),
    ("behaviour", "refused", None, "needs floating-point values", True),
    ("behaviour", "refused", None, "index out of range", False),
    ("behaviour", "refused", None, 6.0, False),
]


@pytest.mark.parametrize(
    ("quantity", "value", "rtol", "computed", "met"), quantity_value_rtol_computed_met
)
def test_rule(quantity, value, rtol, computed, met):
    entry = Published("id", "experiment", "source", "setting", quantity, value, rtol)
    comparison = compare(entry, computed)
    assert comparison.met is met
    assert bool(comparison.misses) is not met


unseeded_computed_met = [
    ([0.95, 0.97], True),
    ([0.9646, 0.97], True),
    ([0.9647, 0.97], False),
    ([0.95, 0.9643], False),
    ((np.float32(0.9), np.float32(1.0)), True),
    ([0.97, 0.95], False),
    ([math.nan, 0.97], False),
    ([0.95, math.nan], False),
    ([-math.inf, math.inf], False),
    ([0.9645], False),
    (0.9645, False),
    (None, False),
]


@pytest.mark.parametrize(("computed", "met"), unseeded_computed_met)
def test_a_run_without_a_seed_lies_among_those_of_many(computed, met):
    entry = Published("id", "e", "s", "setting", "accuracy", "0.9645", unseeded=True)
    comparison = compare(entry, computed)
    assert comparison.met is met
    assert bool(comparison.misses) is not met


def test_an_entry_counts_only_with_the_data_that_it_needs(monkeypatch):
    free = Published("free", "e", "s", "setting", "loss", "1.0")
    needy = free._replace(id="needy", needs="Photographs")
    monkeypatch.setattr(_published, "load", lambda: (free, needy))
    computed = {"free": 1.0, "needy": 1.0}
    for data_sets, expected in (
        ((), ["free"]),
        (("Others",), ["free"]),
        (("Photographs",), ["free", "needy"]),
    ):
        found = _published.compare_all("e", computed, data_sets)
        assert [one.id for one in found] == expected
    (_, missed) = _published.compare_all("e", {"free": 1.0}, ("Photographs",))
    assert not missed.met


def test_difference_and_tolerance_have_the_structure_of_the_value():
    value = {"loss": "1763.88", "gradient": ["4517.3", "inf"]}
    entry = Published("id", "experiment", "source", "setting", "loss; gradient", value)
    comparison = compare(entry, {"loss": 1763.89, "gradient": [4517.0, math.inf]})
    assert comparison.difference == {
        "loss": pytest.approx(0.01),
        "gradient": [pytest.approx(0.3), 0.0],
    }
    assert comparison.tolerance == {
        "loss": pytest.approx(0.01 + 2e-6 * 1763.88),
        "gradient": [pytest.approx(0.1 + 2e-6 * 4517.3), 0.0],
    }
    assert comparison.misses == ("gradient: [0]: differs by 0.3, more than 0.109",)


def test_reasons_name_what_is_missing_or_too_much():
    entry = Published("id", "experiment", "source", "setting", "w; b", {"w": "1.0"})
    assert compare(entry, {"b": 2.0}).misses == ("w: not computed", "b: not published")


def test_a_figure_that_is_not_computed_is_missed():
    comparisons = _published.compare_all("broadcasting", {"broadcast-xxy": (3, 1)})
    assert [comparison.met for comparison in comparisons] == [True, False, False]


def test_entries_have_an_experiment_a_source_and_an_identifier_of_their_own():
    entries = _published.load()
    assert {entry.experiment for entry in entries} <= set(NAMES)
    assert {entry.source for entry in entries} <= set(_published.sources())
    assert len({entry.id for entry in entries}) == len(entries)


def _off(value, rtol, tolerances):
    """Reads a printed value, every number of it off by so many tolerances."""
    if isinstance(value, dict):
        return {name: _off(part, rtol, tolerances) for name, part in value.items()}
    if isinstance(value, list):
        return [_off(part, rtol, tolerances) for part in value]
    if isinstance(value, int):
        return value + int(tolerances)
    if value == "inf":
        return math.inf if tolerances < 1 else 3e38
    mantissa, _, power = value.partition("e")
    last_digit = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    size = abs(float(value))
    return float(value) + tolerances * (
        rtol * size if rtol else last_digit + 2e-6 * size
    )


PRINTED = [
    entry
    for entry in _published.load()
    if entry.quantity != "behaviour" and not entry.quantity.startswith("formula")
]


@pytest.mark.parametrize("entry", PRINTED, ids=lambda entry: entry.id)
def test_every_entry_is_met_within_its_tolerance_and_missed_beyond(entry):
    near, far = (_off(entry.value, entry.rtol, share) for share in (0.99, 1.01))
    if entry.unseeded:
        near, far = [near, near], [far, far]
    assert compare(entry, near).met
    assert not compare(entry, far).met
    assert compare(entry, None).misses == ("not computed",)
