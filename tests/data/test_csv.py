"""Tables are read as they were written, and slips are named with their place."""

import csv
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funclearn as fl

# Derandomised: the same examples on every machine and in every run.
properties = settings(max_examples=25, deadline=None, derandomize=True, database=None)
cells = st.floats(width=32, allow_nan=False, allow_infinity=False)


class Table(NamedTuple):
    text: str | bytes
    arguments: dict[str, Any]
    inputs: Any
    targets: Any


TABLES = {
    "names": Table("x,y\n1,2\n3,4\n", {"target": "y"}, [[1], [3]], [2, 4]),
    "target first": Table("y,x\n1,2\n3,4\n", {"target": "y"}, [[2], [4]], [1, 3]),
    "positions": Table("a,b,c\n1,2,3\n", {"target": 0, "inputs": [2]}, [[3]], [1]),
    "one input": Table("a,b,c\n1,2,3\n", {"target": "c", "inputs": "b"}, [2], [3]),
    "one position": Table("a,b,c\n1,2,3\n", {"target": "c", "inputs": 1}, [2], [3]),
    "mixed, in the order asked for": Table(
        "a,b,c\n1,2,3\n", {"target": "b", "inputs": ("c", 0)}, [[3, 1]], [2]
    ),
    "no header": Table(
        "1,2\n3,4\n", {"target": 1, "header": False}, [[1], [3]], [2, 4]
    ),
    "quoted": Table(
        '"x, in m","y ""raw"""\n"1"," 2 "\n',
        {"target": 'y "raw"', "inputs": "x, in m"},
        [1],
        [2],
    ),
    "blank lines": Table(
        "\n x , y \n\n1,2\n  \n3,4\n\n", {"target": "y"}, [[1], [3]], [2, 4]
    ),
    "byte-order mark": Table(
        "\ufeffx,y\n1,2\n", {"target": 1, "inputs": "x"}, [1], [2]
    ),
    "Windows": Table(b"x,y\r\n1,2\r\n\r\n3,4", {"target": "y"}, [[1], [3]], [2, 4]),
    "old Mac": Table(b"x,y\r1,2\r3,4\r", {"target": "y"}, [[1], [3]], [2, 4]),
    "numbers": Table(
        "x,y\n+1e2,-0.5\n .5 ,3E-2\n", {"target": "y"}, [[100], [0.5]], [-0.5, 0.03]
    ),
    "text elsewhere": Table(
        'name,x,y\n"a\nb",1,2\nNA,3,4\n', {"target": "y", "inputs": "x"}, [1, 3], [2, 4]
    ),
    "same name elsewhere": Table(
        "n,n,x,y\n1,1,1,2\n", {"target": "y", "inputs": "x"}, [1], [2]
    ),
}


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_read_csv_reads(table, tmp_path):
    path = write(tmp_path / "table.csv", table.text)
    dataset = fl.data.read_csv(path, **table.arguments)
    for got, wanted in zip(dataset, (table.inputs, table.targets), strict=True):
        assert got.dtype == jnp.float32
        assert np.array_equal(got, np.array(wanted, np.float32))


class Slip(NamedTuple):
    text: str | bytes
    arguments: dict[str, Any]
    pieces: tuple[str, ...]


SLIPS = {
    "bad cell": Slip("x,y\n1,2\n\n3,abc\n", {}, ("line 4", "column 'y'", "'abc'")),
    "bad input": Slip("x,y\n1,2\n3 m,4\n", {}, ("line 3", "column 'x'", "'3 m'")),
    "bad cell after a field of two lines": Slip(
        'n,x,y\n"a\nb",1,2\nc,3,?\n', {"inputs": "x"}, ("line 4", "column 'y'", "'?'")
    ),
    "bad cell without header": Slip(
        "1,2\n3,x4\n", {"header": False, "target": 1}, ("line 2", "column 1", "'x4'")
    ),
    "header that is not one": Slip(
        "x,y\n1,2\n", {"header": False, "target": 1}, ("line 1", "column 1", "'y'")
    ),
    "data for a header": Slip(
        "1,2\n3,4\n5,6\n", {"target": 1}, ("line 1", "1,2", "header=False")
    ),
    "no cell": Slip("x,y\n1,\n", {}, ("line 2", "column 'y'", "''")),
    "only commas": Slip("x,y\n,\n", {}, ("line 2", "''")),
    "not a number": Slip("x,y\n1,nan\n", {}, ("line 2", "column 'y'", "'nan'")),
    "infinite": Slip("x,y\n1,-Infinity\n", {}, ("line 2", "'-Infinity'")),
    "overflow": Slip("x,y\n1,1e39\n", {}, ("line 2", "'1e39'")),
    "underscore": Slip("x,y\n1,1_000\n", {}, ("line 2", "'1_000'")),
    "decimal comma": Slip('x,y\n1,"2,5"\n', {}, ("line 2", "column 'y'", "'2,5'")),
    "hexadecimal": Slip("x,y\n1,0x10\n", {}, ("line 2", "'0x10'")),
    "NUL": Slip("x,y\n1,2\0\n", {}, ("line 2",)),
    "missing column": Slip(
        "x,y\n1,2\n", {"target": "z"}, ("target", "'z'", "'x', 'y'")
    ),
    "missing input": Slip("x,y\n1,2\n", {"inputs": ["w"]}, ("inputs", "'w'")),
    "duplicate column": Slip("x,x,y\n1,2,3\n", {"inputs": "x"}, ("inputs", "'x'", "2")),
    "target among inputs": Slip("x,y\n1,2\n", {"inputs": ["x", 1]}, ("inputs", "'y'")),
    "input twice": Slip("x,y\n1,2\n", {"inputs": ["x", 0]}, ("inputs", "['x', 0]")),
    "no inputs": Slip("x,y\n1,2\n", {"inputs": []}, ("inputs", "none")),
    "no other column": Slip("y\n1\n", {}, ("one column", "inputs")),
    "position beyond": Slip("x,y\n1,2\n", {"target": 2}, ("target", "2")),
    "negative position": Slip("x,y\n1,2\n", {"target": -1}, ("target", "-1")),
    "name without header": Slip("1,2\n", {"header": False}, ("target", "'y'")),
    "short line": Slip("x,y\n1,2\n3\n", {}, ("line 3", "1 fields", "2")),
    "long line": Slip("x,y\n1,2,\n", {}, ("line 2", "3 fields", "2")),
    "semicolons": Slip("x;y\n1;2\n", {}, ("target", "'x;y'")),
    "unclosed quote": Slip('x,y\n1,"2\n3,4\n', {}, ("line 2",)),
    "text after quote": Slip('x,y\n1,"2"3\n', {}, ("line 2",)),
    "empty": Slip("", {}, ("empty",)),
    "blank": Slip("\ufeff\n \n", {}, ("empty",)),
    "header only": Slip("x,y\n\n", {}, ("header", "no rows")),
    "Latin-1": Slip("x,y\n1,2\n# 20 °C\n".encode("latin-1"), {}, ("UTF-8",)),
    "UTF-16": Slip("x,y\n1,2\n".encode("utf-16"), {}, ("UTF-8",)),
}


def test_read_csv_takes_years_for_names_if_asked_for_one(tmp_path):
    path = write(tmp_path / "table.csv", "2019,2020\n1,2\n")
    dataset = fl.data.read_csv(path, target="2020")
    assert dataset.inputs.tolist() == [[1.0]]
    assert dataset.targets.tolist() == [2.0]


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS)
def test_read_csv_says_what_is_wrong_and_where(slip, tmp_path):
    path = write(tmp_path / "table.csv", slip.text)
    with pytest.raises(ValueError) as caught:
        fl.data.read_csv(path, **{"target": "y", **slip.arguments})
    message = str(caught.value).replace(str(path), "PATH")
    assert all(piece in message for piece in slip.pieces), message


def test_read_csv_names_the_file(tmp_path):
    path = write(tmp_path / "table.csv", "x,y\n1,two\n")
    with pytest.raises(ValueError, match=r"table\.csv, line 2"):
        fl.data.read_csv(str(path), target="y")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        fl.data.read_csv(tmp_path / "nowhere.csv", target="y")


def test_read_data_have_the_default_precision(tmp_path, float64):
    path = tmp_path / "table.csv"
    path.write_text("0.1,1e39\n")
    read = fl.data.read_csv(path, target=1, header=False)
    assert read.targets[0] == 1e39 and read.inputs[0, 0] == 0.1
    assert [leaf.dtype for leaf in read] == 2 * [jnp.float64]


@properties
@given(
    table=st.integers(2, 4).flatmap(
        lambda width: st.lists(
            st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=5
        )
    ),
    header=st.booleans(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_read_csv_reads_back_what_was_written(
    tmp_path_factory, table, header, quoting, line_end
):
    path = tmp_path_factory.getbasetemp() / "round_trip.csv"
    names = [f"column, {position}" for position in range(len(table[0]))]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=quoting, lineterminator=line_end)
        writer.writerows([names] * header + table)
    target = names[0] if header else 0
    dataset = fl.data.read_csv(path, target=target, header=header)
    written = np.array(table, np.float32)
    assert np.array_equal(dataset.targets, written[:, 0])
    assert np.array_equal(dataset.inputs, written[:, 1:])
