"""Tables in the ways people publish them: read right, or refused in one clear line.

The values are written out by hand, as a reader of the table would.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest

import funclearn as fl


class Good(NamedTuple):
    text: str | bytes
    arguments: dict[str, Any]
    inputs: Any
    targets: Any


IRIS = (
    "5.1,3.5,1.4,0.2,Iris-setosa\n4.9,3.0,1.4,0.2,Iris-setosa\n"
    "7.0,3.2,4.7,1.4,Iris-versicolor\n\n"
)
AUTO_MPG = (
    '18.0   8   307.0      130.0      3504.      12.0   70  1\t"chevrolet malibu"\n'
    '25.0   4   98.00      ?          2046.      19.0   71  1\t"ford pinto"\n'
    '21.0   6   200.0      90.00      2587.      16.0   70  1\t"ford maverick"\n'
)
TITANIC = (
    "PassengerId,Survived,Name,Sex,Age\n"
    '1,0,"Braund, Mr. Owen",male,22\n'
    '2,1,"Cumings, Mrs. John (Florence ""Flo"")",female,\n'
    '3,1,"Heikkinen, Miss. Laina",female,26\n'
)
GERMAN = "\ufeffLänge (m);Breite (m)\r\n1,5;2,25\r\n3,5;-3\r\n"
MISSING = "x,y\nNULL,5\nNA,6\nN/A,7\n#N/A,8\n3,9\n5,?\n"
GNUPLOT = "# recorded in 2020\n# t  v\n0.0  1.5\n0.5  2.5\n\n1.0  2.0\n"
NORRIS = (
    "NIST/ITL StRD\nDataset Name:  Norris (Norris.dat)\n\nData:     y          x\n"
    "       0.1        0.2\n     338.8      337.4\n     118.1      118.2\n"
    "     888.0      884.6\n       9.2       10.1\n     228.1      226.5\n"
)
LONGLEY = "".join(NORRIS.splitlines(keepends=True)[4:])
WORLD_BANK = (
    '"Data Source","World Development Indicators",\n\n'
    '"Last Updated Date","2020-07-01",\n\n'
    '"Country Name","Country Code","1960","1961",\n"Aruba","ABW","1","2",\n'
    '"Angola","AGO","3","4",\n"Albania","ALB","5","6",\n"Andorra","AND","7","8",\n'
)
WORLD_BANK_BODY = WORLD_BANK[WORLD_BANK.index('"Country Name') :]

READ = {
    "UCI wine": Good(
        '"fixed acidity";"volatile acidity";"quality"\n7.4;0.7;5\n7.8;0.88;6\n',
        {"target": "quality"},
        [[7.4, 0.7], [7.8, 0.88]],
        [5, 6],
    ),
    "iris": Good(
        IRIS,
        {"target": 0, "inputs": [1, 2], "header": False},
        [[3.5, 1.4], [3.0, 1.4], [3.2, 4.7]],
        [5.1, 4.9, 7.0],
    ),
    "iris, its species": Good(
        IRIS,
        {"target": 4, "inputs": 2, "header": False, "categories": "one-hot"},
        [1.4, 1.4, 4.7],
        [0, 0, 1],
    ),
    "auto-mpg, rows without power left out": Good(
        AUTO_MPG,
        {"target": 0, "inputs": [1, 3], "header": False, "missing": "drop"},
        [[8, 130], [6, 90]],
        [18, 21],
    ),
    "auto-mpg, mean power": Good(
        AUTO_MPG,
        {"target": 0, "inputs": [1, 3], "header": False, "missing": "mean"},
        [[8, 130], [4, 110], [6, 90]],
        [18, 25, 21],
    ),
    "adult": Good(
        "39, State-gov, 77516, Bachelors, 13\n50, Private, 83311, HS-grad, 9\n",
        {"target": 0, "inputs": [2, 4], "header": False},
        [[77516, 13], [83311, 9]],
        [39, 50],
    ),
    "German Excel": Good(
        GERMAN, {"target": "Breite (m)", "decimal": ","}, [[1.5], [3.5]], [2.25, -3]
    ),
    "German thousands": Good(
        "Preis;Menge\n1.234,50;1\n12,00;2\n",
        {"target": "Menge", "decimal": ","},
        [[1234.5], [12]],
        [1, 2],
    ),
    "Excel's line for itself": Good(
        "sep=;\nx;y\n1;2\n3;4\n", {"target": "y"}, [[1], [3]], [2, 4]
    ),
    "Excel's text for Unicode": Good(
        "größe\ty\n1\t2\n3\t4\n".encode("utf-16"), {"target": "y"}, [[1], [3]], [2, 4]
    ),
    "Latin-1": Good("größe;y\n1;2\n".encode("latin-1"), {"target": "y"}, [[1]], [2]),
    "write.csv of R": Good(
        '"","x","y"\n"1",10,20\n"2",30,40\n', {"target": "y"}, [[10], [30]], [20, 40]
    ),
    "gnuplot": Good(GNUPLOT, {"target": "v"}, [[0], [0.5], [1]], [1.5, 2.5, 2]),
    "gnuplot by positions": Good(
        GNUPLOT, {"target": 1, "header": False}, [[0], [0.5], [1]], [1.5, 2.5, 2]
    ),
    "numpy.savetxt": Good(
        "# t,v\n0.0,1.5\n0.5,2.5\n", {"target": "v"}, [[0], [0.5]], [1.5, 2.5]
    ),
    "numpy.savetxt by positions": Good(
        "# t,v\n0.0,1.5\n0.5,2.5\n",
        {"target": 1, "header": False},
        [[0], [0.5]],
        [1.5, 2.5],
    ),
    "NIST without its preamble": Good(
        LONGLEY,
        {"target": 0, "inputs": 1, "header": False},
        [0.2, 337.4, 118.2, 884.6, 10.1, 226.5],
        [0.1, 338.8, 118.1, 888.0, 9.2, 228.1],
    ),
    "Titanic": Good(
        TITANIC,
        {"target": "Survived", "inputs": ["Age"], "missing": "drop"},
        [[22], [26]],
        [0, 1],
    ),
    "Titanic with sexes": Good(
        TITANIC,
        {
            "target": "Survived",
            "inputs": ["Sex", "Age"],
            "missing": "mean",
            "categories": "one-hot",
        },
        [[0, 1, 22], [1, 0, 24], [1, 0, 26]],
        [0, 1, 1],
    ),
    "World Bank without its preamble": Good(
        WORLD_BANK_BODY,
        {"target": "1961", "inputs": "1960"},
        [1, 3, 5, 7],
        [2, 4, 6, 8],
    ),
    "Eurostat": Good(
        "unit,geo\\time\t2019 \t2018 \nPC,AT\t1.5 \t: \nPC,BE\t2.5\t3\n",
        {"target": "2018", "inputs": "2019", "missing": "drop"},
        [2.5],
        [3],
    ),
    "Swiss thousands": Good(
        "x;y\n1'234;5\n12'345'678.5;6\n",
        {"target": "y"},
        [[1234], [12345678.5]],
        [5, 6],
    ),
    "French thousands": Good(
        "x;y\n1\u202f234,5;5\n12 345;6\n",
        {"target": "y", "decimal": ","},
        [[1234.5], [12345]],
        [5, 6],
    ),
    "American thousands": Good(
        'x,y\n"1,234.5",5\n"12,345",6\n"7",8\n',
        {"target": "y"},
        [[1234.5], [12345], [7]],
        [5, 6, 8],
    ),
    "Fortran": Good(
        "   x        y\n 1.5D+03  -2.0d-1\n 0.25E+1  3\n",
        {"target": "y"},
        [[1500], [2.5]],
        [-0.2, 3],
    ),
    "typeset minus": Good(
        "x,y\n\u22125,1\n6,2\n", {"target": "y"}, [[-5], [6]], [1, 2]
    ),
    "marks of missing cells": Good(
        MISSING, {"target": "y", "missing": "drop"}, [[3]], [9]
    ),
    "marks of missing cells, mean": Good(
        MISSING,
        {"target": "y", "missing": "mean"},
        [[4], [4], [4], [4], [3]],
        [5, 6, 7, 8, 9],
    ),
    "TRUE and FALSE": Good(
        "x,y\nTRUE,5\nFALSE,6\n",
        {"target": "y", "categories": "one-hot"},
        [[0, 1], [1, 0]],
        [5, 6],
    ),
    "a delimiter at every end": Good(
        "x,y,\n1,2,\n3,4,\n", {"target": "y"}, [[1], [3]], [2, 4]
    ),
    "bars": Good("x|y\n1|2\n3|4\n", {"target": "y"}, [[1], [3]], [2, 4]),
    "a column named #": Good(
        "#,Name,HP\n1,Bulbasaur,45\n2,Ivysaur,60\n",
        {"target": "HP", "inputs": "#"},
        [1, 2],
        [45, 60],
    ),
    "seconds since 1970": Good(
        "time,y\n1700000000,1\n1700000001,2\n1700000002,3\n",
        {"target": "y", "inputs": "time"},
        [1700000000, 1700000001, 1700000002],
        [1, 2, 3],
    ),
    "a comment among the rows": Good(
        "x,y\n1,2\n# the sensor was moved\n3,4\n", {"target": "y"}, [[1], [3]], [2, 4]
    ),
    "the largest exact integers": Good(
        "x,y\n9007199254740991,1\n9007199254740992,2\n",
        {"target": "y"},
        [[9007199254740991], [9007199254740992]],
        [1, 2],
    ),
}


@pytest.mark.parametrize("table", READ.values(), ids=READ)
def test_read(table, tmp_path):
    path = tmp_path / "table.txt"
    path.write_bytes(
        table.text if isinstance(table.text, bytes) else table.text.encode()
    )
    inputs, targets = fl.data.read_csv(path, **table.arguments)
    assert isinstance(inputs, np.ndarray) and inputs.dtype == np.float64
    np.testing.assert_array_equal(inputs, np.array(table.inputs, float))
    np.testing.assert_array_equal(targets, np.array(table.targets, float))


class Bad(NamedTuple):
    text: str | bytes
    arguments: dict[str, Any]
    pieces: tuple[str, ...]


def with_cell(cell):
    return f"x,y\n1,2\n{cell},4\n"


REFUSED = {
    "iris with a header": Bad(IRIS, {"target": 0}, ("line 1", "header=False")),
    "rows with a header": Bad("1,2\n3,4\n", {}, ("'y'", "header=False")),
    "auto-mpg": Bad(
        AUTO_MPG,
        {"target": 0, "inputs": [3], "header": False},
        ("line 2", "column 3", "'?'", "missing='drop'", "'mean'"),
    ),
    "German without decimal": Bad(
        GERMAN,
        {"target": "Breite (m)"},
        ("line 2", "'Länge (m)'", "'1,5'", "decimal=','"),
    ),
    "English with decimal": Bad(
        "x;y\n1.5;2\n", {"decimal": ","}, ("line 2", "'1.5'", "decimal='.'")
    ),
    "another delimiter": Bad(
        "a;b\n1;2\n",
        {"target": "b", "delimiter": ","},
        ("'b' names 0 of 'a;b'", "table with semicolons", "delimiter=';'"),
    ),
    "write.table of R": Bad(
        '"x" "y"\n"1" 1 2\n"2" 3 4\n', {}, ("line 1", "2 names", "col.names=NA")
    ),
    "a delimiter after rows": Bad(
        "x,y\n1,2,\n3,4,\n", {}, ("2 names for rows of 3", "delete the delimiter")
    ),
    "NIST": Bad(NORRIS, {}, ("begin at line 5", "delete the lines above")),
    "NIST without header": Bad(
        NORRIS, {"target": 0, "header": False}, ("begin at line 5",)
    ),
    "World Bank": Bad(WORLD_BANK, {"target": "1961"}, ("begin at line 5",)),
    "a footer": Bad(
        "x,y\n1,2\n3,4\nSource: us\n", {}, ("line 4", "1 fields", "delete")
    ),
    "a total": Bad("x,y\n1,2\n3,4\nTotal,6\n", {}, ("line 4", "'x'", "'Total'")),
    "a line of units": Bad(
        "time,y\ns,m\n1,2\n", {}, ("line 2", "column 'time'", "'s'")
    ),
    "thousands that may be decimals": Bad(
        'x,y\n"1,234",5\n', {}, ("'1,234'", "decimal=','", "thousands")
    ),
    "Indian groups": Bad('x,y\n"1,23,456",5\n', {}, ("'1,23,456'",)),
    "percent": Bad(with_cell("12.5 %"), {}, ("line 3", "'12.5 %'", "percent")),
    "dollars": Bad(with_cell("$12"), {}, ("line 3", "'$12'", "currency")),
    "euros": Bad(with_cell("12 €"), {}, ("line 3", "'12 €'", "currency")),
    "a date": Bad(with_cell("2020-01-31"), {}, ("'2020-01-31'", "date", "inputs")),
    "an American date": Bad(with_cell("1/31/2020"), {}, ("'1/31/2020'", "date")),
    "a German date": Bad(with_cell("31.1.2020"), {}, ("'31.1.2020'", "date")),
    "a time stamp": Bad(with_cell("2020-01-31T10:00:00Z"), {}, ("date", "line 3")),
    "a time": Bad(with_cell("10:30"), {}, ("'10:30'", "time of day")),
    "a unit": Bad(with_cell("5 km"), {}, ("line 3", "'5 km'", "correct it")),
    "a truth value": Bad(with_cell("TRUE"), {}, ("'TRUE'", "categories='one-hot'")),
    "text": Bad(with_cell("red"), {}, ("line 3", "'red'", "categories='one-hot'")),
    "an infinity": Bad(with_cell("-inf"), {}, ("'-inf' is no finite number",)),
    "not a number": Bad(with_cell("NaN"), {}, ("line 3", "'NaN'", "missing='drop'")),
    "parentheses": Bad(with_cell("(5)"), {}, ("'(5)'", "minus")),
    "hexadecimal": Bad(with_cell("0x1F"), {}, ("'0x1F'", "decimal digits")),
    "other digits": Bad(with_cell("\u0661\u0662"), {}, ("line 3", "no finite number")),
    "nanoseconds": Bad(
        "t,y\n1700000000000000001,1\n1700000000000000002,2\n",
        {},
        ("line 2", "'1700000000000000001'", "subtract"),
    ),
    "numbers among categories": Bad(
        "x,y\n1,2\n2,3\n3,4\n4 a,5\n",
        {"categories": "one-hot"},
        ("line 5", "'4 a'"),
    ),
    "JSON": Bad('{"x": 1, "y": 2}\n', {}, ("JSON", "write it as CSV")),
    "HTML": Bad("<!DOCTYPE html>\n<html></html>\n", {}, ("web page", "download")),
    "ARFF": Bad("@RELATION x\n@DATA\n1,2\n", {}, ("ARFF",)),
    "Excel": Bad(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", {}, ("Excel", "save its sheet")),
    "Parquet": Bad(b"PAR1\x15\x04", {}, ("Parquet", "pandas")),
    "empty": Bad("", {}, ("is empty",)),
    "comments alone": Bad("# nothing\n", {}, ("is empty",)),
    "header alone": Bad("x,y\n", {}, ("a header but no rows",)),
    "an empty column": Bad(
        "x,z,y\n,1,2\n,2,4\n", {"missing": "mean"}, ("'x' is empty in all 2 rows",)
    ),
    "no whole row": Bad(
        "x,y\n,2\n1,\n", {"missing": "drop"}, ("no row without missing cells",)
    ),
}


@pytest.mark.parametrize("table", REFUSED.values(), ids=REFUSED)
def test_refused(table, tmp_path):
    path = tmp_path / "table.txt"
    path.write_bytes(
        table.text if isinstance(table.text, bytes) else table.text.encode()
    )
    with pytest.raises(ValueError) as caught:
        fl.data.read_csv(path, **{"target": "y"} | table.arguments)
    told = str(caught.value)
    assert "\n" not in told
    assert all(piece in told for piece in table.pieces), told


def test_names_of_people_are_no_categories(tmp_path):
    path = tmp_path / "people.csv"
    rows = "".join(f"person {at},{at}\n" for at in range(30))
    path.write_text("name,y\n" + rows)
    with pytest.raises(ValueError, match="'name' has 30 different texts in 30 rows"):
        fl.data.read_csv(path, target="y", categories="one-hot")
