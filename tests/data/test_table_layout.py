"""Delimiters are found, comments and blank lines left out."""

import io

import pytest

from funclearn.data._table_layout import Layout, find_layout, records
from funclearn.data._table_source import open_source


def source(text):
    return open_source(io.StringIO(text))


@pytest.mark.parametrize(
    "text, decimal, layout",
    [
        ("x,y\n1,2\n", ".", Layout(",", 2)),
        ("x;y\n1;2\n", ".", Layout(";", 2)),
        ("x\ty\n1\t2\n", ".", Layout("\t", 2)),
        ("x|y\n1|2\n", ".", Layout("|", 2)),
        ("x y\n1  \t2\n", ".", Layout(" ", 2)),
        ("1,5;2,5\n3,5;4,5\n", ".", Layout(";", 2)),
        ("day;price, EUR\n1;1,5\n2;2,5\n", ",", Layout(";", 2)),
        ("wind speed;p\n1;2\n", ".", Layout(";", 2)),
        ('"a;b",y\n"c;d",2\n', ".", Layout(",", 2)),
        ("one\n1\n2\n", ".", Layout(",", 1)),
        ("sep=;\nx;y\n1;2\n", ".", Layout(";", 2)),
        ("# a, b, c\n1;2\n", ".", Layout(";", 2)),
        ("x,y\n1,2\n3\n4,5\n6,7\n", ".", Layout(",", 2)),
        ('x,y\n1,"2\n3,4\n', ".", Layout(",", 2)),
    ],
)
def test_the_delimiter_is_found(text, decimal, layout):
    assert find_layout(source(text), None, decimal) == layout


def test_a_given_delimiter_is_taken():
    assert find_layout(source("a;b\n1;2\n"), ",", ".") == Layout(",", 1)


@pytest.mark.parametrize("text", ["", "\n \n", "# a\n% b\n"])
def test_no_lines_are_no_table(text):
    with pytest.raises(ValueError, match="is empty"):
        find_layout(source(text), None, ".")


def test_records_have_the_lines_that_they_begin_on():
    text = 'n,x\n\n# by us\n"a\nb",1\n \n#N/A,2\n% 3\nc,"4"\n'
    found = [tuple(row) for row in records(source(text), Layout(",", 2))]
    assert found == [
        (1, ["n", "x"]),
        (4, ["a\nb", "1"]),
        (7, ["#N/A", "2"]),
        (9, ["c", "4"]),
    ]


def test_blanks_in_a_row_part_once():
    text = "  a \t b \n# c d\n 1   2\t\n"
    found = [row.fields for row in records(source(text), Layout(" ", 2))]
    assert found == [["a", "b"], ["1", "2"]]


@pytest.mark.parametrize("text", ['x,y\n1,"2\n', 'x,y\n1,"2"3\n'])
def test_broken_quotation_marks_are_refused(text):
    with pytest.raises(ValueError, match="the file, line 2: "):
        list(records(source(text), Layout(",", 2)))
