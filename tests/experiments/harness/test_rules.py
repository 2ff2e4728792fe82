import pytest

from experiments.harness import _published
from experiments.harness._published import compare
from experiments.harness._rules import rule

value_quantity_rtol_unseeded_words = [
    ("80.3643", "loss", None, False, "last printed digit and rounding"),
    ("50", "ratio", 0.1, False, "10% of its size"),
    ("1763.88", "loss", 2e-5, False, "0.002% of its size"),
    ("inf", "loss", 0.1, False, "infinite"),
    ([9, 2], "sizes", None, False, "whole number"),
    ("0.96", "a", None, True, "between the extremes of many seeds"),
    ("2 x", "slope", None, False, "formula against autodiff"),
    ("no", "behaviour", None, False, "the message asks for floating-point values"),
    (
        {"loss": "inf", "params": ["1.5", "2.5"]},
        "both",
        0.01,
        False,
        "infinite; 1% of its size",
    ),
]


@pytest.mark.parametrize(
    ("value", "quantity", "rtol", "unseeded", "words"),
    value_quantity_rtol_unseeded_words,
)
def test_rule(value, quantity, rtol, unseeded, words):
    said = rule(value, quantity=quantity, rtol=rtol, unseeded=unseeded)
    assert said == words


def test_every_published_figure_says_its_rule():
    for entry in _published.load():
        said = compare(entry, None).rule
        assert ("% of its size" in said) is (
            entry.rtol is not None and "seeds" not in said
        ), entry.id
