import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from experiments.harness._decoding import decode
from experiments.harness._plain import Plain


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    met: bool


@dataclasses.dataclass(frozen=True)
class Whole:
    seconds: float
    history: str | None
    parts: tuple[Part, ...]
    rows: tuple[tuple[Any, ...], ...]
    versions: Mapping[str, str]
    config: Mapping[str, Plain]


VALUES = {
    "seconds": 2,
    "history": None,
    "parts": [{"name": "a", "met": True}, {"met": False, "name": "b"}],
    "rows": [[1, "inf"], [None, [2.5]]],
    "versions": {"jax": "1"},
    "config": {"epochs": 3, "rates": [0.5, {"low": None}]},
}


def test_builds_dataclasses_tuples_and_mappings():
    assert decode(Whole, VALUES) == Whole(
        seconds=2,
        history=None,
        parts=(Part("a", met=True), Part("b", met=False)),
        rows=((1, "inf"), (None, [2.5])),
        versions={"jax": "1"},
        config={"epochs": 3, "rates": [0.5, {"low": None}]},
    )


changes_message = [
    ({"seconds": "2"}, "seconds must be a number, not text."),
    ({"seconds": True}, "seconds must be a number, not true or false."),
    ({"history": 3}, "history must be text or null, not a number."),
    ({"parts": {}}, "parts must be a list, not an object."),
    ({"parts": ["a"]}, "parts[0] must be an object, not text."),
    ({"parts": [VALUES["parts"][0], {"name": "b"}]}, "parts[1] has no met."),
    (
        {"parts": [{"name": "a", "met": 1}]},
        "parts[0].met must be true or false, not a number.",
    ),
    (
        {"parts": [{"name": "a", "met": True, "x": 1, "y": 2}]},
        "parts[0] has the unknown x, y.",
    ),
    ({"rows": [1]}, "rows[0] must be a list, not a number."),
    ({"versions": []}, "versions must be an object, not a list."),
    ({"versions": {"jax": 1.5}}, "versions.jax must be text, not a number."),
    ({"more": 1}, "it has the unknown more."),
]


@pytest.mark.parametrize(("changes", "message"), changes_message)
def test_refuses_other_structures(changes, message):
    with pytest.raises(ValueError) as refused:
        decode(Whole, VALUES | changes)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "it has no seconds, history, parts, rows, versions, config."),
        ([], "it must be an object, not a list."),
        (None, "it must be an object, not null."),
    ],
)
def test_refuses_what_is_no_such_object(value, message):
    with pytest.raises(ValueError) as refused:
        decode(Whole, value)
    assert str(refused.value) == message
