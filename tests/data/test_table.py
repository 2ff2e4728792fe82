"""Tables hold numbers and texts, with their gaps, and are split as data sets are."""

import io
from typing import Any

import jax
import numpy as np
import pytest

import funclearn as fl

TEXT = "size;kind;y\n1;cat;1\n2;dog;2\n;cat;3\n4;;4\n5;cat;5\n"


@pytest.fixture
def table():
    return fl.data.read_table(io.StringIO(TEXT))


def test_columns_are_numbers_or_texts(table):
    np.testing.assert_array_equal(table["size"], [1, 2, np.nan, 4, 5])
    assert table["kind"].tolist() == ["cat", "dog", "cat", None, "cat"]
    assert table[2].tolist() == [1, 2, 3, 4, 5]
    assert len(table) == 5 and table.names == ("size", "kind", "y")
    assert table.delimiter == ";" and table.lines.tolist() == [2, 3, 4, 5, 6]


def test_rows_can_be_taken(table):
    assert fl.data.take(table, np.array([4, 0]))["y"].tolist() == [5, 1]
    assert fl.data.take(
        table, np.array([True, False, False, True, False])
    ).lines.tolist() == [
        2,
        5,
    ]
    assert len(fl.data.take(table, slice(1, None))) == 4


def test_split_deals_rows_out_whole(table):
    train, rest = fl.data.split(jax.random.key(0), table, 0.4)
    assert (len(train), len(rest)) == (3, 2)
    both = np.concatenate([train["y"], rest["y"]])
    assert sorted(both) == [1, 2, 3, 4, 5]
    for part in (train, rest):
        np.testing.assert_array_equal(part["y"] + 1, part.lines)
        assert part["kind"].tolist() == [table["kind"][int(y) - 1] for y in part["y"]]


def test_columns_that_are_not_there_are_refused(table):
    with pytest.raises(ValueError, match="column must name one column"):
        table["sizes"]


def test_without_header_columns_have_positions():
    table = fl.data.read_table(io.StringIO("1,a\n2,b\n"), header=False)
    assert table.names == (0, 1) and table[1].tolist() == ["a", "b"]


def test_header_is_true_or_false(plain_annotations):
    neither: Any = 0
    with pytest.raises(TypeError, match="header must be True or False; got 0"):
        fl.data.read_table(io.StringIO(TEXT), header=neither)
