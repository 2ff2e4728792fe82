"""Which library reads a table, and of which tables it is asked at all."""

import importlib.util
import io
from importlib import metadata

import numpy as np
import pytest

from funclearn.data import _table_readers as readers
from funclearn.data._table_sheet import open_sheet
from funclearn.data._table_source import open_source


def sheet(text, encoding="utf-8", **arguments):
    source = open_source(io.BytesIO(text.encode(encoding)))
    return open_sheet(
        source, **{"header": True, "delimiter": None, "decimal": "."} | arguments
    )


@pytest.mark.parametrize(
    "version, reader",
    [
        (None, readers.by_numpy),
        ("2.3.3", readers.by_numpy),
        ("3.0.4", readers.by_numpy),
        ("3.1.0", readers.by_pandas),
        ("4.0.0rc1", readers.by_pandas),
    ],
)
def test_pandas_reads_where_it_is_fast_and_exact(monkeypatch, version, reader):
    found = None if version is None else object()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: found)
    monkeypatch.setattr(metadata, "version", lambda _: version)
    assert readers.reader.__wrapped__() is reader


@pytest.mark.parametrize(
    "text, n_rows",
    [
        ("x,y\n1,2\n3,4\n", 2),
        ("# by us\n\nx,y\n1,2\n3,4", 2),
        ("x,y\r\n1,2\r\n3,4\r\n\r\n", 2),
        ("größe;y\n1;2\n", 1),
        ("x,y\n1,2\n3\n", 0),
        ("x,y\n1,2\n3,4,5\n", 0),
        ("x,y\n1,2\n\n3,4\n", 0),
        ('x,y\n1,"2"\n', 0),
        ("x,y\r1,2\r3,4\r", 0),
        ("x y\n1 2\n", 0),
    ],
)
def test_only_plain_rows_are_read_at_once(text, n_rows):
    assert readers.plain_rows(sheet(text)) == n_rows


def test_wide_characters_are_not_counted_as_bytes():
    assert readers.plain_rows(sheet("x,y\n1,2\n", "utf-16")) == 0
    assert readers.plain_rows(sheet("x¦y\n1¦2\n", delimiter="¦")) == 0


@pytest.mark.parametrize("name", ["by_numpy", "by_pandas"])
def test_readers_read_what_they_are_asked_for(name):
    if name == "by_pandas":
        pytest.importorskip("pandas")
    found = getattr(readers, name)(sheet("x,y,z\n1,2,3\n4,5,6e-1\n"), [2, 0])
    np.testing.assert_array_equal(found[2], [3, 0.6])
    np.testing.assert_array_equal(found[0], [1, 4])
    assert sorted(found) == [0, 2]
