"""Tables are read as they were written, and slips are named with their place."""

import csv
import io
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funclearn as fl

# Derandomised: the same examples on every machine and in every run.
properties = settings(max_examples=25, deadline=None, derandomize=True, database=None)
cells = st.floats(-3e38, 3e38, allow_nan=False)


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
        assert isinstance(got, np.ndarray) and got.dtype == np.float64
        assert np.array_equal(got, np.array(wanted, float))


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
        "x,y\n1,2\n",
        {"header": False, "target": 1},
        ("line 1", "column 0", "'x'", "header=True"),
    ),
    "data for a header": Slip(
        "1,2\n3,4\n5,6\n", {"target": 1}, ("line 1", "1,2", "header=False")
    ),
    "no cell": Slip("x,y\n1,\n", {}, ("line 2", "column 'y'", "''")),
    "only commas": Slip("x,y\n,\n", {}, ("line 2", "''")),
    "not a number": Slip("x,y\n1,nan\n", {}, ("line 2", "column 'y'", "'nan'")),
    "infinite": Slip("x,y\n1,-Infinity\n", {}, ("line 2", "'-Infinity'")),
    "overflow": Slip("x,y\n1,1e39\n", {}, ("line 2", "column 'y'", "1e+39", "float32")),
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
    "unclosed quote": Slip('x,y\n1,"2\n3,4\n', {}, ("line 2", "end of data")),
    "text after quote": Slip('x,y\n1,"2"3\n', {}, ("line 2",)),
    "empty": Slip("", {}, ("empty",)),
    "blank": Slip("\ufeff\n \n", {}, ("empty",)),
    "header only": Slip("x,y\n\n", {}, ("header", "no rows")),
    "no UTF-8": Slip(b"\xef\xbb\xbfx,y\n1,\xff\n", {}, ("no text in utf-8",)),
    "delimiter of two": Slip("x,y\n1,2\n", {"delimiter": ";;"}, ("delimiter", "';;'")),
    "delimiter is decimal": Slip(
        "x,y\n1,2\n", {"delimiter": ",", "decimal": ","}, ("delimiter", "','")
    ),
    "digit for delimiter": Slip("x1y\n", {"delimiter": "1"}, ("delimiter", "'1'")),
    "decimal": Slip("x,y\n1,2\n", {"decimal": "'"}, ("decimal", '"\'"')),
    "missing": Slip("x,y\n1,2\n", {"missing": "median"}, ("missing", "'median'")),
    "categories": Slip(
        "x,y\n1,2\n", {"categories": "codes"}, ("categories", "'codes'")
    ),
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


def test_read_data_keep_all_their_digits(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("0.1,1700000001\n0.2,1700000002\n")
    read = fl.data.read_csv(path, target=1, header=False)
    assert read.inputs[0, 0] == 0.1
    assert read.targets.tolist() == [1700000001, 1700000002]
    assert [leaf.dtype for leaf in read] == 2 * [np.float64]


def test_the_range_is_that_of_the_default_precision(tmp_path, float64):
    path = tmp_path / "table.csv"
    path.write_text("0.1,1e39\n")
    read = fl.data.read_csv(path, target=1, header=False)
    assert read.targets[0] == 1e39


def test_read_csv_takes_an_open_file():
    assert fl.data.read_csv(io.StringIO("x,y\n1,2\n"), target="y").targets == [2]
    assert fl.data.read_csv(io.BytesIO(b"x,y\n1,2\n"), target="y").targets == [2]


def test_read_data_train_as_they_are(tmp_path):
    path = write(tmp_path / "table.csv", "x,y\n1,2\n2,4\n3,6\n")
    scaled, scaler = fl.data.standardise(fl.data.read_csv(path, target="y"))
    model = fl.models.affine(1)
    step = fl.make_train_step(
        fl.make_objective(model, fl.losses.mse), optimizer := optax.sgd(0.1)
    )
    state = fl.init_state(jax.random.key(0), model.init(jax.random.key(1)), optimizer)
    run = fl.fit(step, state, scaled, epochs=300)
    line = scaler.unscale(run.state.params)
    assert line.weight == pytest.approx(np.array([2.0]), abs=1e-4)
    assert float(line.bias) == pytest.approx(0.0, abs=1e-3)


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
    written = np.array(table)
    assert np.array_equal(dataset.targets, written[:, 0])
    assert np.array_equal(dataset.inputs, written[:, 1:])
