import subprocess
import sys

import pytest

from experiments import NAMES


def _python(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "experiments", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("option", "parts"),
    [("--help", ("--list", "--out", "[NAME ...]")), ("--list", NAMES)],
)
@pytest.mark.slow
def test_options_explain_themselves(option, parts):
    done = _python(option)
    assert (done.returncode, done.stderr) == (0, "")
    for part in parts:
        assert part in done.stdout


def test_an_unknown_name_is_refused():
    done = _python("autgrad")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'autograd'?" in done.stderr


@pytest.mark.slow
def test_experiments_run_side_by_side(tmp_path):
    done = _python("broadcasting", "gradient_vectors", "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "published figures: 4 of 4 met"
    for name in ("broadcasting", "gradient_vectors"):
        assert (tmp_path / name / "summary.json").exists()
