"""Encoders learn from the training rows alone; against scikit-learn."""

import io

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

import funclearn as fl

ROWS = [
    ("1", "cat", "red", "1.5"),
    ("", "dog", "blue", "2.5"),
    ("4", "cat", "", "3.5"),
    ("10", "dog", "red", "4.5"),
    ("100", "eel", "green", "5.5"),
    ("", "cat", "red", ""),
]


def read(rows, names="size,kind,colour,y"):
    text = "\n".join([names, *(",".join(row) for row in rows)])
    return fl.data.read_table(io.StringIO(text))


TRAIN, OTHERS = slice(0, 4), slice(4, None)


def test_means_and_categories_are_those_of_scikit_learn():
    table = read(ROWS)
    train, encoder = fl.data.encode(
        fl.data.take(table, TRAIN),
        target="y",
        inputs=["size", "kind"],
        missing="mean",
        categories="one-hot",
    )
    raw = np.array([[float(s or "nan"), k] for s, k, *_ in ROWS], object)
    oracle = make_column_transformer(
        (SimpleImputer(strategy="mean"), [0]),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), [1]),
    ).fit(raw[TRAIN])
    expected = np.asarray(oracle.transform(raw)).astype(float)
    np.testing.assert_allclose(train.inputs, expected[TRAIN])
    inputs, rows = encoder.inputs(fl.data.take(table, OTHERS))
    np.testing.assert_allclose(inputs, expected[OTHERS])
    assert rows.tolist() == [0, 1]
    assert encoder.input_names == ("size", "kind=cat", "kind=dog")


def test_missing_texts_become_the_shares_of_the_training_rows():
    train, _ = fl.data.encode(
        fl.data.take(read(ROWS), TRAIN),
        target="y",
        inputs="colour",
        missing="mean",
        categories="one-hot",
    )
    np.testing.assert_allclose(train.inputs[2], [1 / 3, 2 / 3])


def test_rows_with_gaps_are_left_out():
    table = read(ROWS)
    train, encoder = fl.data.encode(
        fl.data.take(table, TRAIN), target="y", inputs=["size"], missing="drop"
    )
    assert train.inputs.tolist() == [[1], [4], [10]]
    assert train.targets.tolist() == [1.5, 3.5, 4.5]
    inputs, rows = encoder.inputs(fl.data.take(table, OTHERS))
    assert inputs.tolist() == [[100]] and rows.tolist() == [0]
    assert encoder(fl.data.take(table, OTHERS)).targets.tolist() == [5.5]


def test_rows_without_a_target_are_left_out_where_means_are_filled_in():
    data, _ = fl.data.encode(read(ROWS), target="y", inputs=["size"], missing="mean")
    assert len(data.targets) == 5


def test_gaps_of_other_rows_are_refused_too():
    table = read(ROWS)
    _, encoder = fl.data.encode(
        fl.data.take(table, slice(2, 4)), target="y", inputs=["size"]
    )
    with pytest.raises(ValueError, match="line 7, column 'size': '' stands"):
        encoder(fl.data.take(table, OTHERS))


def test_texts_of_the_target_are_classes():
    table = read(ROWS)
    train, encoder = fl.data.encode(
        fl.data.take(table, slice(0, 2)),
        target="kind",
        inputs="y",
        categories="one-hot",
    )
    assert encoder.classes == ("cat", "dog")
    assert train.targets.tolist() == [0, 1] and train.targets.dtype == np.int64
    assert encoder(fl.data.take(table, slice(2, 4))).targets.tolist() == [0, 1]
    with pytest.raises(ValueError, match="line 6, column 'kind': 'eel' is no class of"):
        encoder(fl.data.take(table, slice(2, 5)))


def test_other_tables_are_read_by_names():
    _, encoder = fl.data.encode(
        fl.data.take(read(ROWS), slice(2, 4)), target="y", inputs=["size"]
    )
    other = read([("9", "7"), ("9", "8")], names="id,size")
    assert encoder.inputs(other)[0].tolist() == [[7], [8]]
    with pytest.raises(ValueError, match=r"must name one column of .* 'size' names 0"):
        encoder.inputs(read([("9", "7")], names="id,sizes"))


def test_one_column_of_categories_gives_several_of_inputs():
    data, encoder = fl.data.encode(
        fl.data.take(read(ROWS), TRAIN), target="y", inputs="kind", categories="one-hot"
    )
    assert data.inputs.shape == (4, 2) and not encoder.single


@pytest.mark.parametrize("way", ["one-hot", "one_hot"])
def test_both_spellings_are_taken(way):
    table = fl.data.take(read(ROWS), TRAIN)
    data, _ = fl.data.encode(table, target="y", inputs="kind", categories=way)
    assert data.inputs.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
