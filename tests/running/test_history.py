"""Rows in memory and in a file."""

import json

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from funclearn.running._history import History

ROW = {
    "loss": jax.ShapeDtypeStruct((), jnp.float32),
    "half": jax.ShapeDtypeStruct((2, 3), jnp.bfloat16),
    "count": jax.ShapeDtypeStruct((), jnp.int32),
    "flag": jax.ShapeDtypeStruct((), bool),
    "none": jax.ShapeDtypeStruct((0,), jnp.float32),
}


def rows(start, stop):
    """Rows that can be told apart by their numbers."""
    numbers = np.arange(start, stop)
    return {
        "loss": np.float32(numbers) / 3,
        "half": np.repeat(numbers, 6).reshape(-1, 2, 3).astype(ml_dtypes.bfloat16),
        "count": numbers.astype(np.int32),
        "flag": numbers % 2 == 0,
        "none": np.zeros((len(numbers), 0), np.float32),
    }


def check(history, number):
    jax.tree.map(
        np.testing.assert_array_equal, history.read(0, number), rows(0, number)
    )
    assert history.number == number


def test_rows_are_joined_and_missing_ones_are_blank():
    history = History(ROW)
    blank = {**rows(0, 5), "loss": np.full(5, 9, np.float32)}
    for start, stop in ((0, 1), (1, 1), (1, 4)):
        # Of a chunk the first rows are taken.
        given = jax.tree.map(
            lambda a, b: np.concatenate([a, b]), rows(start, stop), blank
        )
        taken = history.append(given, stop - start)
        assert len(taken["loss"]) == stop - start
        assert taken["loss"].base is None  # and so keeps no longer array
    check(history, 4)
    joined = history.joined(6)
    np.testing.assert_array_equal(joined["loss"][:4], rows(0, 4)["loss"])
    assert np.isnan(joined["loss"][4:]).all() and not joined["flag"][4:].any()
    assert joined["half"].dtype == jnp.bfloat16 and joined["half"].shape == (6, 2, 3)


def test_a_file_holds_what_was_written_and_what_is_beyond_is_cut_off(tmp_path):
    path, history = tmp_path / "rows", History(ROW)
    history = History(ROW, path)
    marks = []
    for start, stop in ((0, 3), (3, 4), (4, 9)):
        history.append(rows(start, stop), stop - start)
        marks.append(json.loads(json.dumps(history.write(history.unwritten()))))
    assert [mark["rows"] for mark in marks] == [3, 4, 9]
    with path.open("ab") as file:
        file.write(b"half a row")
    again = history
    for mark in reversed(marks):
        again = History(ROW, path)
        assert again.load(mark)
        check(again, mark["rows"])
    again.append(rows(3, 5), 2)
    assert again.write(again.unwritten())["rows"] == 5
    last = History(ROW, path)
    last.load({"rows": 4, "sha256": marks[1]["sha256"]})
    check(last, 4)


@pytest.mark.parametrize("damage", ["missing", "short", "bit", "other"])
def test_a_damaged_file_is_not_read(damage, tmp_path):
    path = tmp_path / "rows"
    history = History(ROW, path)
    history.append(rows(0, 5), 5)
    mark, content = history.write(history.unwritten()), bytearray(path.read_bytes())
    content[7] ^= 4
    if damage == "missing":
        path.unlink()
    elif damage == "short":
        path.write_bytes(content[:-1])
    elif damage == "bit":
        path.write_bytes(content)
    else:
        mark["sha256"] = "0" * 64
    before = path.read_bytes() if path.exists() else None
    again = History(ROW, path)
    assert not again.load(mark) and again.number == 0
    assert (path.read_bytes() if path.exists() else None) == before


def test_what_a_failed_write_left_is_written_over(tmp_path):
    path = tmp_path / "rows"
    history = History(ROW, path)
    history.append(rows(0, 2), 2)
    history.write(history.unwritten())
    with path.open("ab") as file:
        file.write(b"left by a disk that was full")
    history.append(rows(2, 4), 2)
    mark = history.write(history.unwritten())
    again = History(ROW, path)
    again.load(mark)
    check(again, 4)


def test_rows_of_nothing():
    history = History(None)
    history.append(None, 3)
    assert history.number == 3 and history.joined(5) is None
