"""Arguments that are refused before anything is written."""

import pytest

from funclearn.running import run
from tests.running.running_setting import (
    DATA,
    other,
)

BAD = {
    "epochs": ({"epochs": -1}, ValueError, "epochs"),
    "within": ({"within": 0.0}, ValueError, "within must be positive"),
    "save_every": ({"save_every": -1.0}, ValueError, "save_every"),
    "keep": ({"keep": 0}, ValueError, "keep must be at least 1"),
    "logs": ({"logs": ("xml",)}, ValueError, "logs must be some of csv"),
    "log": ({"logs": "csv"}, ValueError, "logs must be some of csv"),
    "batch size": ({"batch_size": 99}, ValueError, "batch_size"),
    "unknown": ({"batchsize": 9}, TypeError, "run has no argument batchsize"),
    "data": ({"data": DATA._replace(targets="no")}, TypeError, "train"),
    "rule": ({"stop": 3}, TypeError, "stop"),
    "progress": ({"progress": 3}, TypeError, "progress must be True, False"),
    "callback": ({"callbacks": [3]}, TypeError, "callbacks"),
    "config": ({"config": {"a": object()}}, (TypeError, ValueError), "config"),
}


@pytest.mark.parametrize("change, kind, message", BAD.values(), ids=BAD)
def test_bad_input_is_refused_before_anything_is_written(
    change, kind, message, tmp_path
):
    folder = tmp_path / "run"
    given, options = other(folder=folder, **change)
    with pytest.raises(kind, match=message):
        run(*given, **options)
    assert not folder.exists()


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    given, options = other(folder=path)
    with pytest.raises(OSError, match="file"):
        run(*given, **options)
    assert path.read_text() == "mine"
