"""Compiled programs that a command line keeps."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments.harness import _suite
from experiments.harness._launch import run_alone
from experiments.harness._programs import keep_programs

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_the_next_start_finds_the_programs_of_the_first(tmp_path, monkeypatch):
    """In the user's cache, or where the same folder is named."""
    folder = tmp_path / "funclearn" / "programs"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def start(*options):
        subprocess.run(
            [sys.executable, "-m", *options, "--out", str(tmp_path / "out")],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        return {path: path.stat().st_mtime_ns for path in folder.glob("*-cache")}

    first = start("experiments.broadcasting", "--compilation-cache")
    assert len(first) > 9
    second = ("experiments", "broadcasting", "--compilation-cache", str(folder))
    assert start(*second) == first


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["file"], "error: cache_programs: "),
        (["a", "b"], "error: compilation_cache must be one folder; got a, b."),
        (["\0"], "error: "),
    ],
)
@pytest.mark.parametrize("suite", [False, True])
def test_a_folder_that_cannot_be_used_is_told_before_the_work(
    suite, folders, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    for module in ("_launch.perform", "_suite.compute"):
        monkeypatch.setattr(f"experiments.harness.{module}", lambda *_: pytest.fail())
    options = ["--compilation-cache", *folders]
    if suite:
        assert _suite.main(["broadcasting", *options]) == 2
    else:
        assert run_alone("broadcasting", options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_without_the_option_nothing_is_kept(monkeypatch):
    monkeypatch.setattr("funclearn.running.cache_programs", lambda *_: pytest.fail())
    keep_programs(None)
