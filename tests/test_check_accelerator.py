"""The command for whoever has an accelerator: what it refuses, and what it reads."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import funclearn

ROOT = Path(funclearn.__file__).parents[1]
TOOL = ROOT / "tools" / "check_accelerator.py"


def refused(*command, **environment):
    """The line with which a command ends, which must be one, and end with 2."""
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    return line


@pytest.mark.skipif(sys.platform == "win32", reason="it is a script of bash")
@pytest.mark.parametrize(
    ("options", "part"),
    [
        ([], "this needs cuda, tpu or --python"),
        (["rocm"], "rocm is none of the options"),
        (["cuda", "tpu"], "one of cuda and tpu is enough; got cuda and tpu"),
        (["cuda", "--out"], "--out needs a value"),
        (["tpu", "--out", "/no/such/file"], "--out must be in a folder that exists"),
        (["--python", "/no/such/python"], "/no/such/python does not run"),
    ],
)
def test_a_bad_command_line_is_refused_in_one_line(options, part):
    line = refused("bash", "tools/check-accelerator", *options)
    assert line.startswith(f"error: {part}")
    assert line.endswith("; tools/check-accelerator --help shows the options.")


@pytest.mark.slow
def test_a_cpu_alone_is_refused_and_nothing_is_written(tmp_path):
    out = tmp_path / "out.json"
    line = refused(sys.executable, str(TOOL), str(out), JAX_PLATFORMS="cpu")
    assert line.startswith("error: JAX found a CPU alone. This machine has ")
    assert not out.exists()
    line = refused(sys.executable, str(TOOL), str(out), JAX_PLATFORMS="nothing")
    assert line.startswith("error: JAX does not start: ") and "nothing" in line


REPORT = """<testsuites><testsuite tests="3" failures="1" errors="0" skipped="1">
<testcase classname="tests.some" name="test_one"/>
<testcase classname="tests.some" name="test_two"><failure>no</failure></testcase>
<testcase classname="tests.some" name="test_three"><skipped>later</skipped></testcase>
</testsuite></testsuites>"""

SUMMARY = {
    "name": "some",
    "device": "tpu",
    "seconds": 1.0,
    "error": None,
    "published": [{"id": "a", "met": True}, {"id": "b", "met": False}],
}


class Loaded(NamedTuple):
    """The tool, and the commands that it gave."""

    tool: Any
    commands: list[tuple[str, ...]]


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """The tool where all that it runs leaves the same files."""
    spec = importlib.util.spec_from_file_location("check_accelerator", TOOL)
    assert spec and spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.chdir(tmp_path)
    results, figures = Path("benchmarks", "results"), Path("figures", "some")
    results.mkdir(parents=True)
    (results / "2001-01-01.json").write_text("[]", "utf-8")
    commands = []

    def ran(*arguments, **environment):
        commands.append(arguments)
        Path("tests.xml").write_text(REPORT, "utf-8")
        figures.mkdir(parents=True, exist_ok=True)
        (figures / "summary.json").write_text(json.dumps(SUMMARY), "utf-8")
        (results / "2002-02-02.json").write_text('{"lines": []}', "utf-8")
        return {"status": int(arguments[1] == "pytest")}

    found = {"platform": "tpu", "devices": ["tpu: some"], "versions": {}, "idle": None}
    monkeypatch.setattr(tool, "ran", ran)
    monkeypatch.setattr(tool, "machine", lambda: dict(found))
    return Loaded(tool, commands)


def test_what_came_of_all_parts_is_in_one_file(loaded, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["check_accelerator.py", "out.json"])
    assert loaded.tool.main() == 1
    assert "Failed: tests. Everything is in out.json" in capsys.readouterr().out
    found = json.loads(Path("out.json").read_text("utf-8"))
    assert found["devices"] == ["tpu: some"] and found["platform"] == "tpu"
    counts = {"tests": 3, "failures": 1, "errors": 0, "skipped": 1}
    for name in ("tests", "told"):
        assert found[name]["counts"] == counts
        assert found[name]["failed"] == [{"test": "tests.some.test_two", "said": "no"}]
    some = found["figures"]["experiments"]["some"]
    assert (some["met"], some["published"]) == (1, 2)
    assert [one["id"] for one in some["missed"]] == ["b"]
    assert found["table"]["record"] == {"lines": []}


def test_what_runs_exists(loaded):
    for file in (*loaded.tool.TESTS, *loaded.tool.TOLD):
        assert (ROOT / file).exists()
    file, name = loaded.tool.QUICK[0].split("::")
    assert f"def {name}(" in (ROOT / file).read_text("utf-8")
    assert (ROOT / "experiments" / loaded.tool.QUICK[1]).is_dir()


def test_one_test_and_one_experiment_are_quick(loaded, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["check_accelerator.py", "out.json", "--quick"])
    assert loaded.tool.main() == 1
    found = json.loads(Path("out.json").read_text("utf-8"))
    assert "table" not in found and "told" not in found
    of_tests, of_figures = loaded.commands
    one, other = loaded.tool.QUICK
    assert one in of_tests and other in of_figures
