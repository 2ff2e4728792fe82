"""Columns are found by name and by position."""

from typing import Any

import pytest

from funclearn.data._table_names import Header

HEADER = Header("f.csv", ("x", "", "y", "z", "z"))
BARE = Header("f.csv", (0, 1, 2))


def test_columns_are_chosen():
    assert HEADER.choose("y", None) == (2, [0, 3, 4])
    assert HEADER.choose("y", ["x", 1]) == (2, [0, 1])
    assert HEADER.choose(0, "y") == (0, [2])
    assert BARE.choose(1, None) == (1, [0, 2])


@pytest.mark.parametrize(
    "header, target, inputs, message",
    [
        (HEADER, "Y", None, "'Y' names 0 of 'x', '', 'y', 'z', 'z'"),
        (HEADER, "z", None, "'z' names 2 of .*; ask for it by its position"),
        (HEADER, "y", ["y"], "once each, and not the target"),
        (HEADER, "y", ["x", 0], "once each"),
        (HEADER, "y", [], "inputs must name at least one column; got none"),
        (HEADER, 5, None, "target must be less than the number of columns of f.csv, 5"),
        (HEADER, -1, None, "target must be at least 0"),
        (BARE, "x", None, "target must be a position where header=False"),
        (Header("f.csv", ("y",)), "y", None, "has one column; inputs need another"),
        (Header("f.csv", ("a;b",)), "b", None, "semicolons: pass delimiter=';'"),
        (Header("f.csv", ("speed", "y")), "sped", None, "; 'speed' is close"),
        (Header("f.csv", ("1", "2")), "y", None, "pass header=False and a position"),
        (Header("f.csv", ("1", "2"), 3), 1, None, "f.csv, line 3 should hold names"),
    ],
)
def test_refusals_say_what_there_is(header, target, inputs, message):
    with pytest.raises(ValueError, match=message):
        header.choose(target, inputs)


def test_long_lists_of_names_are_cut():
    header = Header("f.csv", tuple(f"name {at}" for at in range(500)))
    with pytest.raises(ValueError, match="and 488 others") as caught:
        header.choose("y", None)
    assert len(str(caught.value)) < 300


def test_a_column_is_a_name_or_a_position(plain_annotations):
    neither: Any = 1.5
    with pytest.raises(TypeError, match="target must be an integer"):
        HEADER.choose(neither, None)
