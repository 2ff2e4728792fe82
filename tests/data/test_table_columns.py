"""Whatever reads a column, its values are the same."""

import io
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funclearn.data import _table_columns, _table_readers
from funclearn.data._table_columns import read_columns
from funclearn.data._table_sheet import open_sheet
from funclearn.data._table_source import open_source

properties = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def by_pandas(sheet, positions):
    pytest.importorskip("pandas")
    return _table_readers.by_pandas(sheet, positions)


READERS = {"numpy": _table_readers.by_numpy, "pandas": by_pandas}


@pytest.fixture(params=READERS)
def reader(request, monkeypatch):
    """Reads at once with a library; tells which columns the library read."""
    read = []

    def spied(sheet, positions):
        found = READERS[request.param](sheet, positions)
        read.extend(found)
        return found

    monkeypatch.setattr(_table_columns, "reader", lambda: spied)
    return read


def sheet(text, decimal=".", **arguments):
    source = open_source(io.BytesIO(text.encode()))
    return open_sheet(
        source, **{"header": True, "delimiter": None, "decimal": decimal} | arguments
    )


def slowly(opened, positions):
    """What the second look makes of all columns."""
    quick = _table_columns._quick_columns
    try:
        _table_columns._quick_columns = lambda *_: ({}, np.zeros(0, int))
        return read_columns(opened, positions)
    finally:
        _table_columns._quick_columns = quick


def assert_same(one, other):
    (columns, lines), (expected, at) = one, other
    np.testing.assert_array_equal(lines, at)
    for got, wanted in zip(columns, expected, strict=True):
        np.testing.assert_array_equal(got.values, wanted.values)
        assert got[1:] == wanted[1:]


def test_plain_numbers_are_read_at_once(reader):
    numbers = np.random.RandomState(0).normal(size=(500, 3)) * 10.0 ** np.array(
        [-200, 0, 14]
    )
    rows = "".join(f"{a!r},{b!r},{c!r}\n" for a, b, c in numbers.tolist())
    columns, lines = read_columns(sheet("a,b,c\n" + rows), [2, 0])
    assert sorted(reader) == [0, 2]
    np.testing.assert_array_equal(columns[0].values, numbers[:, 2])
    np.testing.assert_array_equal(columns[1].values, numbers[:, 0])
    np.testing.assert_array_equal(lines, np.arange(2, 502))


ODD = {
    "text elsewhere": "x,n,y\n1,a,2\n3,b,4\n",
    "missing": "x,y\n1,2\n,4\nNA,5\n",
    "text late": "x,y\n" + "1,2\n" * 300 + "a,3\n",
    "blank lines": "x,y\n1,2\n\n3,4\n \n5,6\n",
    "quoted": 'x,y\n"1",2\n3,"4"\n',
    "quoted delimiters in a row": 'n,x\n"a,b",1\n"c,d",2\n',
    "Windows": "x,y\r\n1,2\r\n3,4\r\n",
    "old Mac": "x,y\r1,2\r3,4\r",
    "a line end within": "x,y\n1,2\r3,4\n",
    "no end": "x,y\n1,2\n3,4",
    "many ends": "x,y\n1,2\n3,4\n\n\n",
    "truth values": "x,y\nTrue,1\nFalse,2\n",
    "truth values late": "x,y\n" + "1,2\n" * 300 + "True,3\n",
    "exponents of Fortran": "x,y\n1,2\n1D3,3\n",
    "underscore late": "x,y\n" + "1,2\n" * 300 + "1_0,3\n",
    "hexadecimal late": "x,y\n" + "1,2\n" * 300 + "0x10,3\n",
    "comments late": "x,y\n" + "1,2\n" * 300 + "# no row\n3,4\n",
    "beyond exact integers": "x,y\n1,2\n9007199254740992,3\n9007199254740993,4\n",
    "beyond int64": "x,y\n1,2\n123456789012345678901234567890,3\n",
    "overflow": "x,y\n1,2\n1e999,3\n",
    "infinite": "x,y\n1,2\ninf,3\n",
    "blanks around": "x,y\n 1 , 2\n3,4 \n",
    "no-break space": "x,y\n1\u00a0,2\n3,4\n",
    "UTF-8": "größe,y\n1,2\n3,4\n",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_the_second_look_says_the_same(reader, text):
    opened = sheet(text)
    positions = range(len(opened.header.names))
    assert_same(read_columns(opened, positions), slowly(opened, positions))


@pytest.mark.parametrize(
    "rows", [["1,2", "3"], ["1,2", "3,4,5"], ["1,2", "3", "4,5,6"], ["1", "2,3,4"]]
)
@pytest.mark.parametrize("positions", [[0], [1], [0, 1]])
def test_ragged_lines_are_refused_whoever_reads(reader, rows, positions):
    """Also where one line's missing field makes up for another's."""
    text = "\n".join(["x,y", *["1,2"] * 300, *rows, ""])
    with pytest.raises(ValueError, match="fields where the first line has 2"):
        read_columns(sheet(text), positions)


def test_decimal_commas(reader):
    opened = sheet("x;y\n1,5;2\n-0,25;1e3\n", decimal=",")
    columns, _ = read_columns(opened, [0, 1])
    np.testing.assert_array_equal(columns[0].values, [1.5, -0.25])
    np.testing.assert_array_equal(columns[1].values, [2, 1000])


cells = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.text(string.digits + "+-.eEdDxXn_ ", max_size=6),
    st.sampled_from(["", "NA", "nan", "inf", "True", "1e400", "1e-400", "\u0661", "."]),
)


@pytest.mark.parametrize("name", READERS)
@properties
@given(late=st.lists(st.tuples(cells, cells), min_size=1, max_size=4))
@pytest.mark.slow
def test_random_cells_are_the_same_whoever_reads(name, late):
    """The first rows let a library read; what comes then it may not understand."""
    rows = [("1.5", "2")] * 101 + late
    opened = sheet("x,y\n" + "".join(f"{a},{b}\n" for a, b in rows))
    quick = _table_columns.reader
    try:
        _table_columns.reader = lambda: READERS[name]
        assert_same(read_columns(opened, [0, 1]), slowly(opened, [0, 1]))
    finally:
        _table_columns.reader = quick


def test_text_has_labels():
    columns, lines = read_columns(sheet("k,y\nb,1\n a ,2\n\nNA,3\nb,4\n"), [0])
    assert columns[0].labels == ("b", "a") and columns[0].marks == ("NA",)
    assert columns[0].values.tolist() == [0, 1, -1, 0]
    assert lines.tolist() == [2, 3, 5, 6]
