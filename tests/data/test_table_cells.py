"""Cells are numbers as they are printed, or it is said what they are."""

import pytest

from funclearn.data._table_cells import advice, is_missing, numbers, shown


@pytest.mark.parametrize(
    "text, decimal, value",
    [
        ("12", ".", 12.0),
        (" +1.5e-3 ", ".", 0.0015),
        ("5.", ".", 5.0),
        (".5", ".", 0.5),
        ("1.5D+02", ".", 150.0),
        ("2d3", ".", 2000.0),
        ("-1,5", ",", -1.5),
        ("\u22123", ".", -3.0),
        ("1'234", ".", 1234.0),
        ("1\u2019234\u2019567.25", ".", 1234567.25),
        ("12 345", ".", 12345.0),
        ("1\u00a0234,5", ",", 1234.5),
        ("1,234.5", ".", 1234.5),
        ("-1,234,567", ".", -1234567.0),
        ("1.234.567", ",", 1234567.0),
        ("1.234,5", ",", 1234.5),
        ("9007199254740992", ".", 2.0**53),
        ("1" + "0" * 22, ".", 1e22),
        ("0.1234567890123456789", ".", 0.1234567890123456789),
    ],
)
def test_numbers(text, decimal, value):
    assert numbers([text], decimal) == {text: value}


@pytest.mark.parametrize(
    "text, decimal",
    [
        ("", "."),
        ("abc", "."),
        ("1_000", "."),
        ("0x10", "."),
        ("1e999", "."),
        ("inf", "."),
        ("nan", "."),
        ("1,5", "."),
        ("1,234", "."),
        ("1.5", ","),
        ("1.234", ","),
        ("1,23,456", "."),
        ("0,123,456", "."),
        ("1'23", "."),
        ("1 2", "."),
        ("1'234 567", "."),
        ("--1", "."),
        ("1e", "."),
        ("e5", "."),
        ("d5", "."),
        ("5 km", "."),
        ("\u0661", "."),
        ("9007199254740993", "."),
        ("9" * 5000, "."),
    ],
)
def test_no_numbers(text, decimal):
    assert numbers([text], decimal) == {}
    told = advice(text, decimal)
    assert "is no finite number" in told or "more digits" in told


def test_one_sure_mark_between_thousands_settles_the_others():
    assert numbers(["1,234", "1,234.5"], ".") == {"1,234": 1234.0, "1,234.5": 1234.5}
    assert numbers(["1.234", "2.345.678"], ",")["1.234"] == 1234.0
    assert numbers(["1,234", "1,5"], ".") == {}


def test_numbers_are_read_as_python_reads_them():
    for text in ("0.1", "1e-320", "1.7976931348623157e308", "4.35", "123456.789e-3"):
        assert numbers([text], ".")[text] == float(text)


def test_missing_cells():
    marks = ["", " ", "NA", "n/a", "NaN", "NULL", "None", "?", "-", ".", ":", "#N/A"]
    assert all(map(is_missing, marks))
    assert not any(map(is_missing, ["0", "no", "-1", "..5", "north"]))


def test_shown_texts_are_short_and_on_one_line():
    assert shown("a\nb") == repr("a\nb")
    assert len(shown("x" * 1000)) == 62
