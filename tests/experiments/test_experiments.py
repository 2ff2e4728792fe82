"""Runs every experiment: with small settings, and with the published ones."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportIndexIssue=false

import dataclasses
import importlib
import math

import pytest

import funclearn as fl
from experiments import NAMES
from experiments.harness import _published
from experiments.harness._launch import run_alone
from experiments.harness._report import describe
from tests.experiments.every import SmallRun, written

# For each experiment that is run here, the settings that make a run short.
SMALL = {
    "seven_steps": {"epochs": 4, "weight_counts": (1, 2)},
    "broadcasting": {"epochs": 3},
    "torch_optimizers": {"optimizers": ("SGD", "Rprop", "Muon"), "steps": 12},
    "validation": {"epochs": 12, "splits": 4},
    "gradient_vectors": {"points": 3, "spacing": 1.0},
    "computational_graph": {"points": 3},
    "wide_net": {"epochs": 3},
    "fit_csv": {"epochs": 3},
    "learning_rates": {"rates": 5, "epochs": 10},
}

# Those whose own file runs them, with settings that its other tests read, too.
ELSEWHERE = (
    "autograd",
    "gradient_check",
    "learn_the_learning_rate",
    "optimizers",
    "parameter_estimation",
    "split_uncertainty",
    "overfitting",
    "pullover_or_dress",
)

OWNERS = sorted(
    {entry.experiment for entry in _published.load() if not entry.needs},
    key=NAMES.index,
)


@pytest.fixture(scope="module", params=SMALL)
def small(request, tmp_path_factory):
    config = describe(request.param).config_type(**SMALL[request.param])
    return written(request.param, config, tmp_path_factory.mktemp("results"))


class TestSmallRun(SmallRun):
    pass


def test_every_experiment_is_run():
    assert not SMALL.keys() & {*ELSEWHERE}
    assert {*SMALL, *ELSEWHERE} == {*NAMES}
    for name in ELSEWHERE:
        found = importlib.import_module(f"tests.experiments.test_{name}")
        assert issubclass(found.TestSmallRun, SmallRun)


def _nonsense(default):
    """Values that no setting with such a default can mean."""
    match default:
        case bool() | str() | None:
            return []
        case int():
            return [-1, 10**12]
        case float():
            return [math.nan, math.inf, -math.inf]
        case tuple():
            within = _nonsense(default[0])
            return [(), *((value,) * len(default) for value in within)]
    return []


@pytest.mark.parametrize("name", NAMES)
def test_nonsense_is_refused_before_anything_is_computed(name):
    config_type = describe(name).config_type
    tried = 0
    for field in dataclasses.fields(config_type):
        for value in _nonsense(field.default):
            with pytest.raises(ValueError, match=f"^{field.name} must "):
                config_type(**{field.name: value})
            tried += 1
    assert tried


def test_what_is_no_path_is_refused_before_anything_is_trained(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(fl, "make_train_step", lambda *_: pytest.fail("trained"))
    (tmp_path / "file").touch()
    path, tried = str(tmp_path / "file" / "x"), set()
    needed = {"load": ["--predict", path], "csv": ["--target", "y"]}
    for name in NAMES:
        for field in dataclasses.fields(describe(name).config_type):
            if "Path" in str(field.type):
                options = [f"--{field.name.replace('_', '-')}", path]
                options += needed.get(field.name, [])
                out = ["--out", str(tmp_path / "out")]
                assert run_alone(name, [*options, *out]) == 2
                (line,) = capsys.readouterr().err.splitlines()
                assert line.startswith("error: ") and str(tmp_path / "file") in line
                tried.add(field.name)
    assert {"checkpoint_dir", "csv", "folder", "load", "predict"} <= tried
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_impossible_settings_are_refused():
    experiment = describe("learning_rates")
    settings = SMALL[experiment.name] | {"lowest": 20.0}
    with pytest.raises(ValueError, match="less than highest"):
        experiment.run(experiment.config_type(**settings))


@pytest.mark.parametrize("name", OWNERS)
@pytest.mark.slow
def test_default_settings_meet_every_published_figure(name):
    experiment = describe(name)
    outcome = experiment.run(experiment.config_type())
    comparisons = _published.compare_all(name, outcome.computed)
    assert {c.id: c.misses for c in comparisons if not c.met} == {}
