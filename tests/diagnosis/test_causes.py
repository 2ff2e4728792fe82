"""Causes are strings that print as themselves, and each has something to be said."""

import json
import pickle
import string

import pytest


@pytest.fixture(scope="module")
def causes(fl):
    from funclearn.diagnosis import _causes

    return _causes


KINDS = {
    "diverged": ["not finite", "rising", "parameters not finite"],
    "overfitting": ["curves part", "level gap"],
    "underfitting": ["no better than a constant", "still learning"],
    "healthy": ["curves agree"],
    "cannot tell": [
        "validation not finite",
        "too short",
        "unstable",
        "flat",
        "unknown direction",
        "curves may part",
        "gap may count",
        "may still learn",
        "no validation",
        "uncertain validation",
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_cause_is_of_one_kind(causes, kind):
    found = [cause for cause, report in causes.REPORTS.items() if report.kind == kind]
    assert sorted(found) == sorted(KINDS[kind])


def test_every_cause_has_a_report(causes):
    assert set(causes.REPORTS) == set(causes.Cause)
    assert {report.kind for report in causes.REPORTS.values()} == set(causes.Kind)


def test_a_word_is_the_plain_string_wherever_it_is_written(causes):
    for word in (*causes.Kind, *causes.Cause):
        plain = word.value
        assert word == plain and hash(word) == hash(plain)
        assert (str(word), repr(word), f"{word:>30}") == (
            plain,
            repr(plain),
            f"{plain:>30}",
        )
        assert json.dumps(word) == json.dumps(plain)
        assert pickle.loads(pickle.dumps(word)) is word
    with pytest.raises(ValueError, match="'sick' is not a valid Kind"):
        causes.Kind("sick")


def test_reports_ask_for_nothing_but_what_is_measured(causes):
    from funclearn.diagnosis._curves import Training, Validation

    known = {*Training._fields, *Validation._fields, "baseline", "epoch", "judged"}
    for _, because, advice in causes.REPORTS.values():
        fields = {name for _, name, _, _ in string.Formatter().parse(because) if name}
        assert fields <= known
        assert because.endswith(".") and advice.endswith(".")
        assert "{" not in advice
