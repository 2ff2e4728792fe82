import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from experiments.harness._plain import (
    cell,
    computed_cell,
    encode,
    number,
    numeric_columns,
    parts,
    written,
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
    (261257.42, "261300"),
    (5802485.5, "5.802×10⁶"),
    (5802485.0, "5802485"),
    (19408035840.0, "1.941×10¹⁰"),
    (9.88e-5, "0.0000988"),
    (1.19e-13, "1.19×10⁻¹³"),
    ("1e-05", "0.00001"),
    (-30000.0, "-30000"),
    (1e12, "10¹²"),
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
    ("3.2144e17", 3.2144e17, "3.21440×10¹⁷"),
    ("9.5483e-01", 0.954827, "0.954827"),
    ("inf", "inf", "inf"),
    ("2 x cos(x)", 1.3e-7, "within 1.3×10⁻⁷ of autodiff"),
    ("2 x cos(x)", 0.0, "equal to autodiff"),
    ("0.9645", [0.9489, 0.97154], "0.94890 to 0.97154"),
    (["1.0"], [1.0, 2.0], "(1, 2)"),
    ([3, 1], None, "-"),
]


@pytest.mark.parametrize(("published", "computed", "text"), published_computed_text)
def test_computed_cell(published, computed, text):
    assert computed_cell(published, computed) == text


text_written = [
    ("0.5", "0.5"),
    ("1.0e-1", "0.10"),
    ("-8.2600e-04", "-0.00082600"),
    ("123456e0", "123456"),
    ("1e+06", "10⁶"),
    ("-1e-06", "-10⁻⁶"),
    ("-3.2700e19", "-3.2700×10¹⁹"),
    ("inf", "inf"),
    ("SGD, 1e-05", "SGD, 1e-05"),
]


@pytest.mark.parametrize(("text", "result"), text_written)
def test_written_keeps_all_digits(text, result):
    assert written(text) == result


def test_number_has_so_many_digits():
    assert number(0.41234, 2) == "0.41"
    assert number(33599.0, 3) == "33600"
    assert number(5.67e-8, 1) == "6×10⁻⁸"


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
        ("loss", "1.5", "1.50", "±\u00a00.1"),
        ("gradient", "(4517.2969, 82.6)", "-", "±\u00a00.0091, ±\u00a00.1"),
    ]
    assert parts("1.5", 1.5, 0.1) == [("", "1.5", "1.50", "±\u00a00.1")]
    assert parts([3, 1], [3, 1], [0, 0]) == [("", "(3, 1)", "(3, 1)", "exact")]
    assert parts({"loss": "1.5"}, None, None) == [("loss", "1.5", "-", "-")]
