import sys

import pytest

from experiments.harness._launch import launch


def _interrupted(*arguments):
    raise KeyboardInterrupt


options_status_last_line = [
    ([], 0, "three_numbers written, and"),
    (["--epochs", "2"], 0, "published figures: not compared"),
]


@pytest.fixture
def launched(monkeypatch, three_numbers):
    """Launches the experiment with some options, and returns the exit status."""

    def launch_with(*options):
        monkeypatch.setattr(sys, "argv", ["-m", *options])
        with pytest.raises(SystemExit) as exit_:
            launch(three_numbers)
        return exit_.value.code

    return launch_with


@pytest.mark.parametrize(("options", "status", "last_line"), options_status_last_line)
def test_launch(
    launched, tmp_path, monkeypatch, capsys, read, options, status, last_line
):
    monkeypatch.chdir(tmp_path)
    assert launched(*options) == status
    output = capsys.readouterr().out
    assert output.startswith("JAX runs on ")
    assert "The loss is lost at epoch 2." in output
    assert last_line in output.splitlines()[-1]
    summary = read(tmp_path / "results" / "three_numbers" / "summary.json")
    assert summary["command"].split() == [
        *"python -m experiments.three_numbers".split(),
        *options,
    ]
    assert (tmp_path / "results" / "index.html").exists()


@pytest.fixture
def describes(monkeypatch):
    """Gives `launch` the experiment that it describes."""

    def give(experiment):
        monkeypatch.setattr(
            "experiments.harness._launch.describe", lambda name: experiment
        )

    return give


def test_launch_counts_the_figures_that_are_met(
    launched, describes, experiment, tmp_path, capsys
):
    describes(experiment)
    assert launched("--out", str(tmp_path)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "published figures: 3 of 3 met"


def test_launch_ends_with_1_where_a_figure_is_missed(
    launched, describes, wrong, tmp_path, capsys
):
    describes(wrong)
    assert launched("--out", str(tmp_path)) == 1
    shown = capsys.readouterr().out
    assert "MISSED" in shown
    assert shown.splitlines()[-1] == "published figures: 2 of 3 met"


def test_launch_refuses_settings_in_one_line(launched, tmp_path, capsys):
    assert launched("--epochs", "-1", "--out", str(tmp_path)) == 2
    assert capsys.readouterr().err == "error: epochs must not be negative\n"


def test_launch_shows_the_traceback_if_asked(launched, tmp_path, capsys):
    assert launched("--epochs", "-1", "--debug", "--out", str(tmp_path)) == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("Traceback")
    assert last == "error: epochs must not be negative"


@pytest.mark.parametrize(
    "options", [["--epochs", "x"], ["--epoch", "1"], ["x"], ["--data"]]
)
def test_launch_refuses_options_in_one_line(launched, tmp_path, capsys, options):
    assert launched(*options, "--out", str(tmp_path)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith("See python -m experiments.three_numbers --help.")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("taken", ["", "three_numbers", "index.html"])
def test_launch_says_where_it_cannot_write(launched, tmp_path, capsys, taken):
    out = tmp_path / "out"
    if taken == "index.html":
        (out / taken).mkdir(parents=True)
    else:
        (out / taken).parent.mkdir(exist_ok=True)
        (out / taken).touch()
    assert launched("--out", str(out)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert str(out / taken) in line


def test_launch_names_the_experiments_that_the_page_leaves_out(
    launched, tmp_path, capsys
):
    (tmp_path / "autograd").mkdir()
    (tmp_path / "autograd" / "summary.json").write_text("{")
    assert launched("--out", str(tmp_path)) == 0
    shown = capsys.readouterr()
    assert shown.err.startswith("The page leaves out autograd until it is run again: ")
    assert "three_numbers written, and" in shown.out.replace("\n", "")


def test_launch_explains_every_option(launched, capsys):
    assert launched("--help") == 0
    shown = capsys.readouterr().out
    assert "python -m experiments.three_numbers" in shown
    for part in ("--epochs INT", "Number of epochs.", "(default: 3)", "--out"):
        assert part in shown
    assert "Loses three numbers." in shown


def test_an_interrupted_launch_ends_with_130(launched, monkeypatch, tmp_path):
    monkeypatch.setattr("experiments.harness._launch.perform", _interrupted)
    assert launched("--out", str(tmp_path)) == 130
