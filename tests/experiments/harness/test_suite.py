import pytest

from experiments.harness import _suite
from experiments.harness._workers import Died


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """Runs the command line of all experiments on the given ones."""

    def run_suite(experiments, *options, processes=1):
        monkeypatch.setattr(_suite, "n_processes", lambda n_calls: processes)
        monkeypatch.setattr(_suite, "NAMES", tuple(experiments))
        monkeypatch.setattr(_suite, "describe", experiments.__getitem__)
        return _suite.main([*options, "--out", str(tmp_path)])

    return run_suite


experiments_status_last_line = [
    ({"broadcasting": "experiment"}, 0, "published figures: 3 of 3 met"),
    ({"broadcasting": "wrong"}, 1, "published figures: 2 of 3 met"),
    (
        {"validation": "broken", "broadcasting": "experiment"},
        1,
        "published figures: 3 of 14 met",
    ),
]


@pytest.mark.parametrize(
    ("fixtures", "status", "last_line"), experiments_status_last_line
)
def test_suite_counts_what_is_met(suite, request, capsys, fixtures, status, last_line):
    experiments = {
        name: request.getfixturevalue(fixture) for name, fixture in fixtures.items()
    }
    assert suite(experiments) == status
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("JAX runs on ")
    assert [line.split()[0] for line in lines[1 : len(experiments) + 1]] == [
        *experiments
    ]
    assert lines[-1] == last_line


def test_suite_shows_the_error_and_goes_on(
    suite, experiment, broken, capsys, tmp_path, read
):
    suite({"validation": broken, "broadcasting": experiment})
    assert "ZeroDivisionError" in capsys.readouterr().err
    summary = read(tmp_path / "validation" / "summary.json")
    assert summary["error"].startswith("ZeroDivisionError: ")
    assert not any(entry["met"] for entry in summary["published"])
    assert read(tmp_path / "broadcasting" / "summary.json")["error"] is None
    assert "ZeroDivisionError" in (tmp_path / "index.html").read_text()


def test_suite_tells_of_experiments_whose_process_died(
    suite, monkeypatch, experiment, capsys, read, tmp_path
):
    def side_by_side(compute, names, processes, prepare):
        prepare()
        assert (names, processes) == (["broadcasting", "validation"], 2)
        yield "validation", Died("its process ended with status -9.")
        yield "broadcasting", compute("broadcasting")

    monkeypatch.setattr(_suite, "side_by_side", side_by_side)
    both = {"broadcasting": experiment, "validation": experiment}
    assert suite(both, processes=2) == 1
    shown = capsys.readouterr()
    told = "error: validation: Died: its process ended with status -9.\n"
    assert shown.err == told
    assert [line.split()[0] for line in shown.out.splitlines()[1:3]] == [*both][::-1]
    assert shown.out.splitlines()[-1] == "published figures: 3 of 14 met"
    assert read(tmp_path / "validation" / "summary.json")["error"] in told


@pytest.mark.parametrize("debug", [True, False])
def test_suite_shows_tracebacks_if_asked(suite, broken, capsys, debug):
    assert suite({"validation": broken}, *["--debug"][: int(debug)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: validation: ZeroDivisionError: ")
    assert ("Traceback (most recent call last):" in lines) == debug
    assert debug or len(lines) == 1


def test_suite_runs_the_named_ones_once_and_in_order(suite, experiment, broken, capsys):
    both = {"broadcasting": experiment, "autograd": experiment, "wide_net": broken}
    assert suite(both, "autograd", "broadcasting", "autograd") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["broadcasting"] * 2
    assert lines[-1] == "published figures: 6 of 6 met"


def test_suite_lists_summaries_and_sources(suite, experiment, capsys, tmp_path):
    assert suite({"broadcasting": experiment}, "--list") == 0
    shown = capsys.readouterr().out
    for part in ("broadcasting", experiment.summary, *experiment.sources):
        assert part in " ".join(shown.split())
    assert not (tmp_path / "broadcasting").exists()


@pytest.mark.parametrize(
    ("name", "hint"),
    [("autgrad", "did you mean 'autograd'?"), ("xyz", "--list shows them all.")],
)
def test_suite_suggests_the_nearest_name(suite, experiment, capsys, name, hint):
    both = {"broadcasting": experiment, "autograd": experiment}
    assert suite(both, name) == 2
    assert (
        capsys.readouterr().err == f"error: no experiment is called {name!r}: {hint}\n"
    )


def test_suite_says_where_it_cannot_write(suite, experiment, capsys, tmp_path):
    (tmp_path / "index.html").mkdir()
    assert suite({"broadcasting": experiment}) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert str(tmp_path / "index.html") in line


def test_suite_looks_at_the_folder_before_it_computes(
    monkeypatch, capsys, tmp_path, experiment
):
    ran = []
    named = experiment._replace(run=ran.append)
    monkeypatch.setattr(_suite, "describe", lambda name: named)
    (tmp_path / "file").touch()
    assert _suite.main(["broadcasting", "--out", str(tmp_path / "file" / "x")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert not ran


def test_suite_ends_in_one_line_where_a_folder_is_taken(
    suite, experiment, capsys, tmp_path
):
    (tmp_path / "broadcasting").touch()
    assert suite({"broadcasting": experiment, "validation": experiment}) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert str(tmp_path / "broadcasting") in line


@pytest.mark.parametrize(
    ("options", "shown"),
    [(["--help"], "(default: 3)"), (["--epochs", "2"], "not compared")],
)
def test_suite_gives_an_experiment_the_options_of_its_own(
    monkeypatch, three_numbers, capsys, tmp_path, options, shown
):
    monkeypatch.setattr(_suite, "NAMES", (three_numbers,))
    monkeypatch.chdir(tmp_path)
    try:
        status = _suite.main([three_numbers, *options])
    except SystemExit as exit_:
        status = exit_.code
    assert status == 0
    assert shown in capsys.readouterr().out


def test_suite_needs_a_folder_before_it_runs(broken, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(_suite, "describe", lambda name: broken)
    (tmp_path / "file").touch()
    assert _suite.main(["validation", "--out", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")


def test_suite_names_the_experiments_that_the_page_leaves_out(
    suite, experiment, capsys, tmp_path
):
    (tmp_path / "autograd").mkdir()
    (tmp_path / "autograd" / "summary.json").write_text("[]")
    assert suite({"broadcasting": experiment}) == 0
    shown = capsys.readouterr()
    assert shown.err.startswith("The page leaves out autograd until it is run again: ")
    assert shown.out.splitlines()[-1] == "published figures: 3 of 3 met"
