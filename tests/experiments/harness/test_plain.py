import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from experiments.harness._plain import (
    cell,
    computed_cell,
    encode,
    numeric_columns,
    parts,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    epochs: int


def _refuse(constant):
    raise AssertionError(f"{constant} is not strict JSON")


value_text = [
    (None, "-"),
    (True, "yes"),
    (3, "3"),
    (1 / 3, "0.3333"),
    (1847.0, "1847"),
    (261257.42, "2.613e+05"),
    (-30000.0, "-30000"),
    (1e12, "1e+12"),
    (float("nan"), "nan"),
    (float("-inf"), "-inf"),
    ((3, 1), "(3, 1)"),
    ({"loss": 2.5, "params": [1.0, -0.5]}, "loss 2.5\nparams (1, -0.5)"),
]


@pytest.mark.parametrize(("value", "text"), value_text)
def test_cell(value, text):
    assert cell(value) == text


published_computed_text = [
    ("29.105242", 29.1052424, "29.1052424"),
    (["4517.2969", "82.6"], [4517.296875, 82.6], "(4517.29688, 82.60)"),
    ("50", 54.69, "54.7"),
    ("3.2144e17", 3.2144e17, "3.2144e+17"),
    ("inf", "inf", "inf"),
    ("2 x cos(x)", 1.3e-7, "within 1.3e-07 of autodiff"),
    ("2 x cos(x)", 0.0, "equal to autodiff"),
    ("0.9645", [0.9489, 0.97154], "0.94890 to 0.97154"),
    (["1.0"], [1.0, 2.0], "(1, 2)"),
    ([3, 1], None, "-"),
]


@pytest.mark.parametrize(("published", "computed", "text"), published_computed_text)
def test_computed_cell(published, computed, text):
    assert computed_cell(published, computed) == text


def test_encode_quotes_what_json_cannot_say():
    value = {"a": np.array([np.nan, -np.inf]), "b": Path("x"), "c": Config(epochs=3)}
    assert json.loads(encode(value), parse_constant=_refuse) == {
        "a": ["nan", "-inf"],
        "b": "x",
        "c": {"epochs": 3},
    }


def test_numeric_columns_hold_numbers_and_their_names_alone():
    rows = [[1, "a", True, "inf"], [2.5, 3, False, 0.0]]
    assert numeric_columns(rows) == [True, False, False, True]
    assert numeric_columns([]) == []


def test_parts_set_named_values_side_by_side():
    published = {"loss": "1.5", "gradient": ["4517.2969", "82.6"]}
    tolerance = {"loss": 0.1, "gradient": [0.0091, 0.1]}
    assert parts(published, {"loss": 1.5, "more": 2.0}, tolerance) == [
        ("loss", "1.5", "1.50", "± 0.1"),
        ("gradient", "(4517.2969, 82.6)", "-", "± 0.0091, ± 0.1"),
    ]
    assert parts("1.5", 1.5, 0.1) == [("", "1.5", "1.50", "± 0.1")]
    assert parts([3, 1], [3, 1], [0, 0]) == [("", "(3, 1)", "(3, 1)", "exact")]
    assert parts({"loss": "1.5"}, None, None) == [("loss", "1.5", "-", "-")]
