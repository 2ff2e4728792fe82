"""Logs by their kinds."""

import csv
import json

import jax
import numpy as np
import pytest

from funclearn.running._logs import KINDS, open_log

ROWS = {"loss": np.array([1.5, 0.5, 0.25], np.float32)}

ROW = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((), leaf.dtype), ROWS)


def read(start, stop):
    return jax.tree.map(lambda leaf: leaf[start:stop], ROWS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_was_resumed_twice(tmp_path, kind):
    """Killed with more, with less and with as many rows as its checkpoint."""
    folder = tmp_path / "new" / "run"
    for start, stop in ((0, 2), (1, 1), (2, 3), (3, 3)):
        log = open_log(kind, folder, ROW, start, read)
        log.append(start, read(start, stop))
        log.close()
    if kind == "csv":
        with open(folder / "history.csv", encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
        assert lines == [["epoch", "loss"], ["1", "1.5"], ["2", "0.5"], ["3", "0.25"]]
    elif kind == "jsonl":
        with open(folder / "history.jsonl", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        assert rows == [
            {"epoch": 1, "loss": 1.5},
            {"epoch": 2, "loss": 0.5},
            {"epoch": 3, "loss": 0.25},
        ]
    else:
        assert len(list((folder / "tensorboard").iterdir())) == 4


def test_an_unknown_kind(tmp_path):
    with pytest.raises(ValueError, match="one of csv, jsonl, tensorboard; got 'xml'"):
        open_log("xml", tmp_path, ROW, 0, read)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_cannot_be_logged_leaves_no_file(tmp_path, kind):
    with pytest.raises(TypeError, match="k of a row must hold real numbers"):
        open_log(kind, tmp_path, {"k": jax.random.key(0)}, 0, read)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_is_a_file_is_named(tmp_path, kind):
    path = tmp_path / "run"
    path.write_text("")
    with pytest.raises(FileExistsError) as caught:
        open_log(kind, path, ROW, 0, read)
    assert caught.value.filename == str(path)
