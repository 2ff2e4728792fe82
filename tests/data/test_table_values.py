"""The cells of one column as numbers, or why they are none."""

import io

import numpy as np
import pytest

import funclearn as fl
from funclearn.data import _table_values as values


def column(*cells):
    text = "".join(f'{at},"{cell}"\n' for at, cell in enumerate(cells))
    return fl.data.read_table(io.StringIO("n,x\n" + text))


def test_numbers_keep_their_gaps():
    np.testing.assert_array_equal(
        values.numbers_of(column("1", "NA", "3"), 1), [1, np.nan, 3]
    )
    text = fl.data.take(column("a", "", "b"), np.array([1]))
    assert np.isnan(values.numbers_of(text, 1)).all()


def test_texts_are_no_numbers():
    with pytest.raises(ValueError, match=r"line 3, column 'x': 'a' is no finite"):
        values.numbers_of(column("1", "a", "b"), 1)


def test_numbers_beyond_the_dtype_are_refused():
    with pytest.raises(ValueError, match=r"line 3.*-1e\+39 is beyond .* of float32"):
        values.numbers_of(column("1", "-1e39"), 1)


def test_numbers_of_float64_may_be_larger(float64):
    assert values.numbers_of(column("1", "-1e39"), 1)[1] == -1e39


def test_categories_are_those_that_rows_have():
    table = column("b", "a", "", "c")
    assert values.categories_of(table, 1) == ("a", "b", "c")
    assert values.categories_of(fl.data.take(table, np.array([0, 2])), 1) == ("b",)
    assert values.categories_of(fl.data.take(table, np.array([2])), 1) is None
    assert values.categories_of(table, 0) is None


@pytest.mark.parametrize(
    "cells, message",
    [
        (["1", "2", "3 a"], "line 4.*'3 a' is no finite number"),
        (["2020-01-01", "2020-01-02"], "'2020-01-01' .* if it is a date"),
        (["5 %", "6 %"], "'5 %' .* percent"),
        ([f"name {at}" for at in range(21)], "21 different texts in 21 rows"),
    ],
)
def test_not_every_text_is_a_category(cells, message):
    with pytest.raises(ValueError, match=message):
        values.categories_of(column(*cells), 1)


def test_a_minority_of_numbers_may_be_categories():
    assert values.categories_of(column("3", "K", "K", "1"), 1) == ("1", "3", "K")


def test_one_hot():
    table = column("b", "", "a", "c")
    expected = [[0, 1], [np.nan, np.nan], [1, 0], [0, 0]]
    np.testing.assert_array_equal(values.one_hot(table, 1, ("a", "b")), expected)
    np.testing.assert_array_equal(values.codes_of(table, 1, ("a", "b")), [1, -2, 0, -1])


def test_numbers_are_no_categories():
    with pytest.raises(ValueError, match=r"line 2.* 5 is a number where the training"):
        values.codes_of(column("5", "6"), 1, ("a",))


def test_missing_cells_are_refused_with_their_place():
    values.check_missing(column("1", "2"), 1)
    values.check_missing(column("a", "b"), 1)
    with pytest.raises(
        ValueError, match=r"line 3, column 'x': 'NA' stands where .*'me"
    ):
        values.check_missing(column("1", "NA"), 1)
    with pytest.raises(ValueError, match=r"line 3.*'' or '-' .*, as in 1 more rows"):
        values.check_missing(column("a", "", "-"), 1)
