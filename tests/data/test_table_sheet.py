"""The names of a table's columns, and the line that its rows begin on."""

import io

import pytest

from funclearn.data._table_sheet import open_sheet
from funclearn.data._table_source import open_source


def sheet(text, header=True):
    return open_sheet(
        open_source(io.StringIO(text)), header=header, delimiter=None, decimal="."
    )


@pytest.mark.parametrize(
    "text, header, names, start",
    [
        ("x,y\n1,2\n", True, ("x", "y"), 2),
        ("\n# made by us\n x , y \n\n1,2\n", True, ("x", "y"), 5),
        ("1,2\n", False, (0, 1), 1),
        ("# x,y\n1,2\n", True, ("x", "y"), 2),
        ("# x,y\n1,2\n", False, (0, 1), 2),
        ("# 2020\n#x y\n1 2\n", True, ("x", "y"), 3),
        ("x y\n# a comment\n1 2\n", True, ("x", "y"), 3),
        ("#,y\n1,2\n", True, ("#", "y"), 2),
        ("2019,2020\n1,2\n", True, ("2019", "2020"), 2),
    ],
)
def test_names(text, header, names, start):
    found = sheet(text, header)
    assert found.header.names == names and found.start == start
    assert next(found.rows()).fields == ["1", "2"]


def test_rows_have_as_many_fields_as_there_are_columns():
    found = sheet("x,y\n1,2\n3,4\n5,6\n7,8,9\n5,6\n")
    with pytest.raises(ValueError, match="line 5: 3 fields where the first line has 2"):
        list(found.rows())


@pytest.mark.parametrize(
    "text, message",
    [
        ("x,y\n", "holds a header but no rows"),
        ("1.5,red\n2.5,blue\n3.5,red\n", "line 1 should hold names but looks like"),
        ("x,y\n1,2,3\n4,5,6\n", "2 names for rows of 3 fields; write a name"),
        ("x,y\n1,2,\n4,5,\n", "2 names for rows of 3 fields; delete the delimiter"),
        ("made by us\nx,y\n1,2\n3,4\n", "seems to begin at line 2"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(ValueError, match=message):
        sheet(text)
