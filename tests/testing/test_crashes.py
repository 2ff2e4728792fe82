"""Scripts that resume pass; of those that do not, the message says how."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from funclearn.testing import CrashReport, assert_resumes

pytestmark = pytest.mark.usefixtures("aside")


RIGHT = """
import json, os, random, sys, time
folder = sys.argv[1]
os.chdir(folder)

def write(text, name):
    with open("new", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace("new", name)

def save(state):
    write(json.dumps(state), "state.json")

state = {"step": 0, "sum": 0, "length": 0}
if os.path.exists("state.json"):
    state = json.load(open("state.json"))
begun = state["step"]
with open("log.txt", "ab") as log:
    log.truncate(state["length"])
    while state["step"] < 4:
        state["sum"] = 3 * state["sum"] + state["step"]
        state["step"] += 1
        log.write(b"%d %d\\n" % (state["step"], state["sum"]))
        log.flush()
        os.fsync(log.fileno())
        state["length"] = log.tell()
        time.sleep(0.005)
        save(state)
"""

IN_PLACE = """
def save(state):
    text = json.dumps(state)
    with open("state.json", "w") as file:
        for half in (text[:20], text[20:]):
            file.write(half)
            file.flush()
            time.sleep(0.005)
"""

NUMBERED = """
import json, os, sys, time
folder = sys.argv[1]
names = sorted(name for name in os.listdir(folder) if name.startswith("state"))
step, total = 0, 0
for name in reversed(names):
    try:
        step, total = json.load(open(f"{folder}/{name}"))
    except ValueError:
        continue
    break
while step < 4:
    time.sleep(0.01)
    step, total = step + 1, 3 * total + step
    with open(f"{folder}/new", "w") as file:
        json.dump((step, total), file)
    os.replace(f"{folder}/new", f"{folder}/state{step}")
"""


@pytest.fixture
def command(tmp_path):
    """Makes the command of a script; what is to be replaced in it must be there."""

    def made(script, *changes):
        for old, new in changes:
            assert old in script
            script = script.replace(old, new)
        (tmp_path / "script.py").write_text(script)
        # Without `site`, the interpreter starts in half the time.
        parts = ["-I", "-S", str(tmp_path / "script.py"), str(tmp_path / "folder")]
        return [sys.executable, *parts]

    return made


@pytest.fixture
def resumes(tmp_path):
    """The assertion on a command; a failure cleans up behind itself."""

    def ran(command, result=("log.txt", "state.json"), **options):
        options = {"kills": 3, "seconds": 20, **options}
        return assert_resumes(
            command, folder=tmp_path / "folder", result=result, **options
        )

    return ran


@pytest.fixture
def said(resumes, fails):
    def message(*args, **options):
        # All writes, so that one of the kills shows the fault however they fall.
        return fails(resumes, *args, **{"kills": None, **options})

    return message


def test_a_script_that_resumes_stands_kills_after_every_write(
    command, resumes, tmp_path
):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "data.csv").write_text("1,2\n")
    report = resumes(command(RIGHT, ("< 4", "< 2")), kills=None)
    assert report.writes >= 6
    assert report.resumed == report.writes + -(-report.writes // 4)
    assert report.kills >= 2 * report.resumed
    assert report.losses is None or report.losses >= 0
    assert [path.name for path in folder.iterdir()] == ["data.csv"]
    assert re.fullmatch(r"\d+ kills landed, .*; .* losses of power", str(report))


WRONG = {
    "its position": (
        [("    save(state)", "    save({**state, 'step': state['step'] - 1})")],
        "log.txt",
        r"killed .*, it leaves another result than uninterrupted: log.txt differs from "
        r"byte \d+ on: b'.*', uninterrupted b'.*'",
    ),
    "the second resume": (
        [("    save(state)", "    save({**state, 'step': state['step'] - begun})")],
        "log.txt",
        r"killed .*, and, resumed, .*, it leaves another result",
    ),
    "writes in place": (
        [("def save", "def other"), ("state = {", f"{IN_PLACE}\nstate = {{")],
        "state.json",
        r"(?s)killed .*, it ended with exit status 1\..*JSONDecodeError",
    ),
    "a line twice": (
        [("    log.truncate(state['length'])\n".replace("'", '"'), "")],
        "log.txt",
        r"log.txt differs from byte .* \(\d+ and \d+ bytes\)",
    ),
    "starts anew": (
        [
            ('"sum": 0', '"sum": len(os.listdir())'),
            ('if os.path.exists("state.json"):', "if False:"),
        ],
        ["*.txt", "*.json"],
        "it leaves another result than uninterrupted: log.txt differs from byte 2 on",
    ),
    "not deterministic": (
        [('"sum": 0', '"sum": time.time_ns()')],
        "state.json",
        "uninterrupted a second time, it leaves another result than the first time: "
        r"state.json differs .*\. While two equal runs differ, nothing can be said",
    ),
    "writes nothing": (
        [("os.chdir(folder)", "sys.exit()")],
        lambda folder: 1,
        "uninterrupted a second time, it wrote nothing into",
    ),
    "no result": ([], "*.npz", r"it left no result: the folder holds no file '\*.npz'"),
    "fails": (
        [("os.chdir(folder)", "sys.exit('Out of luck.')")],
        "log.txt",
        r"(?s)^uninterrupted, it ended with exit status 1\..*Out of luck\.",
    ),
    "waits for a dead lock": (
        [
            (
                "os.chdir(folder)",
                """os.chdir(folder)
while os.path.exists("lock"): time.sleep(0.01)
open("lock", "w")
import atexit
atexit.register(os.remove, "lock")""",
            ),
        ],
        "log.txt",
        "killed .*, it did not end within 1 s",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with(name, command, said):
    changes, result, pattern = WRONG[name]
    message = said(command(RIGHT, *changes), result, seconds=1)
    assert re.search(pattern, message), message


def test_the_folder_is_kept_aside_and_the_fault_shows_again(command, said, tmp_path):
    changes, result, _ = WRONG["a line twice"]
    message = said(command(RIGHT, *changes), result)
    found = re.search(r"Again: fill (.+) from (.+) and start it", message)
    assert found and found[1] == str(tmp_path / "folder")
    state = Path(found[2])
    assert state.exists() and (state.parent / "ended" / "log.txt").exists()
    expected = (state.parent / "expected" / "log.txt").read_bytes()
    assert (state.parent / "ended" / "log.txt").read_bytes() != expected
    assert not list((tmp_path / "folder").iterdir())


def test_a_newest_file_that_a_loss_of_power_damaged_has_to_be_noticed(
    command, resumes, said
):
    right = command(NUMBERED)
    report = resumes(right, "state4", kills=4)
    if report.losses is None:
        pytest.skip("this system does not show which files are flushed")
    assert report.losses > 0
    blind = command(NUMBERED, ("except ValueError", "except KeyError"))
    assert re.search(
        r"killed .*, by a loss of power that left, not yet flushed, .*state\d (empty|"
        "cut).*, it ended with exit status 1",
        said(blind, "state4"),
    )


def read(folder):
    numbers = np.loadtxt(folder / "log.txt", dtype=int)
    return {"sums": numbers[:, 1], "state": (folder / "state.json").read_bytes()}


def test_the_result_may_be_a_function(command, resumes, said):
    assert resumes(command(RIGHT), read, kills=2).resumed == 3
    changes, _, _ = WRONG["its position"]
    assert "result['s" in said(command(RIGHT, *changes), read)


def test_polling_finds_what_reports_find(command, resumes, said, monkeypatch):
    monkeypatch.setitem(sys.modules, "watchdog.observers", None)
    report = resumes(command(RIGHT), kills=2)
    assert report.writes >= 4 and report.resumed == 3
    for name in ("its position", "the second resume"):
        changes, result, pattern = WRONG[name]
        assert re.search(pattern, said(command(RIGHT, *changes), result))


def test_bad_arguments(resumes):
    for wrong, pattern in (
        ("", "command must start with a program; got ''"),
        ("no-such-program-here --x", "command must start with a program; got"),
        ([], "command must start"),
    ):
        with pytest.raises(ValueError, match=pattern):
            resumes(wrong)
    with pytest.raises(ValueError, match="result must name files"):
        resumes("true", [])
    with pytest.raises(ValueError, match="kills must be at least 1; got 0"):
        resumes("true", kills=0)
    with pytest.raises(ValueError, match="seconds must be positive"):
        resumes("true", seconds=0)


def test_what_must_not_be_emptied_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pattern = "must not hold the current or the temporary folder; got .* which holds"
    for folder in (".", tmp_path.parent):
        with pytest.raises(ValueError, match=pattern):
            assert_resumes("true", folder=folder, result="*")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=pattern):
        assert_resumes("true", folder=tmp_path / "aside", result="*")


def test_the_report_is_one_line():
    report = CrashReport(8, 4, 12, None)
    assert str(report) == (
        "8 kills landed, 4 of them in a resumed run; 12 writes; flushes not seen, so "
        "no losses of power"
    )
