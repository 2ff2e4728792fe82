"""That the counting of faults finds what it counts; the counts are a benchmark's."""

import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from benchmarks.faults import _starts, bad_heads, bad_options, bad_tables, folders
from benchmarks.faults._guard import guarded
from benchmarks.faults._landing import PLACES
from benchmarks.faults._line import Line, show

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="it looks into /proc"
)

SAVE = """
import os, pathlib, sys
from benchmarks.faults._landing import kill_at
from funclearn.checkpoints import _files
folder = pathlib.Path(sys.argv[1])
kill_at(sys.argv[2], 2, folder)
for content in (b"older", b"newer"):
    with open(folder / "history.rows", "ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _files.write(folder / "checkpoint", [content])
"""


@pytest.mark.parametrize("module", [bad_heads, bad_options, bad_tables])
def test_bad_input_is_refused_or_taken(module):
    outcomes = {module.case(number)["outcome"] for number in range(5)}
    assert not [one for one in outcomes if one.startswith("WRONG")]
    assert "refused" in outcomes


def hang():
    while True:
        pass


def fill():
    return "taken" if bytearray(2**29).count(1) == 0 else ""


@pytest.mark.parametrize("use", [hang, fill, lambda: {}["key"], lambda: 1 // 0])
def test_what_must_not_come_is_found(use, monkeypatch):
    monkeypatch.setattr("benchmarks.faults._guard._SECONDS", 0.1 if use is hang else 9)
    assert guarded(use, (ValueError,))["outcome"].startswith("WRONG: ")


@pytest.mark.parametrize(
    ("place", "name", "content"),
    [
        ("rows half written", "history.rows", b"olderne"),
        ("temporary file half written", ".checkpoint.*.tmp", b"ne"),
        ("folder not flushed", "checkpoint", b"newer"),
    ],
)
def test_a_process_is_killed_where_it_is_to_be(tmp_path, place, name, content):
    assert place in PLACES
    command = [sys.executable, "-c", SAVE, str(tmp_path), place]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (path,) = tmp_path.glob(name)
    assert path.read_bytes() == content


def test_a_process_that_computes_is_not_forked(tmp_path):
    jax.devices()
    with pytest.raises(RuntimeError, match="cannot be forked"):
        _starts.ended(_starts.Start("kills", tmp_path / "run"))


@pytest.mark.parametrize("kind", folders.DAMAGES)
def test_damages_of_folders_change_a_file(tmp_path, kind):
    older, newer = tmp_path / "older", tmp_path / "newer"
    for folder, content in ((older, b"epoch 1"), (newer, b"epoch 1, epoch 2")):
        folder.mkdir()
        (folder / "history.csv").write_bytes(content)
        (folder / "history.rows").write_bytes(bytes(16))
    folders.DAMAGES[kind](np.random.default_rng(0), newer / "history.csv", older)
    left = {path.name: path.read_bytes() for path in newer.iterdir()}
    assert left.get("history.csv") != b"epoch 1, epoch 2"


def test_the_table_has_a_line_for_each_kind(capsys):
    show([Line("kills", 1000, {"right": 999}, 1, 2.0), Line("soak", 1, {"MiB": 3})])
    shown = capsys.readouterr().out
    for part in ("kills", "1,000", "right: 999", "soak", "MiB: 3"):
        assert part in shown
