"""The paths against PyTorch's, those against NumPy, and what is said of them."""

import json

import jax
import numpy as np
import optax
import pytest

import funclearn as fl
from experiments.torch_optimizers import Config, run
from experiments.torch_optimizers.chapter import (
    LANDSCAPES,
    TORCH_PATHS,
    best_points,
    follow,
    make,
    scaled_readings,
    study,
    torch_paths,
)
from experiments.torch_optimizers.page import LOOKS, Verdict, half_turns, judge
from experiments.torch_optimizers.rates import OPTIMIZERS

FEW = ("SGD", "SparseAdam", "Muon")
DATA = fl.data.thermometer()
X, Y = np.asarray(DATA.inputs, float) / 10, np.asarray(DATA.targets, float)
# The readings are written in decimals, which float32 rounds.
X = np.round(X, 2)


@pytest.fixture(scope="module")
def few():
    return Config(optimizers=FEW, steps=40)


@pytest.fixture(scope="module")
def result(few):
    return study(few)


@pytest.fixture(scope="module")
def outcome(few):
    return run(few)


def gradient(problem, point):
    """In NumPy, by hand."""
    a, b = point
    if problem == "thermometer":
        residuals = a * X + b - Y
        return np.array([2 * np.mean(residuals * X), 2 * np.mean(residuals)])
    return np.array([-2 * (1 - a) - 400 * a * (b - a**2), 200 * (b - a**2)])


def test_all_of_torch_optim_are_followed():
    assert {one.name for one in OPTIMIZERS.values()} == {
        *("SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Adadelta", "Adagrad"),
        *("Adafactor", "RMSprop", "Rprop", "ASGD", "SparseAdam", "LBFGS", "Muon"),
    }


@pytest.mark.parametrize("problem", LANDSCAPES)
def test_recorded_paths_are_those_of_these_settings_and_losses(problem):
    with np.load(TORCH_PATHS) as recorded:
        settings = json.loads(str(recorded["settings"]))
    for name, one in OPTIMIZERS.items():
        told = {"name": one.name, "lr": one.rates[problem], **one.settings}
        assert settings[f"{problem}/{name}"] == told
    point, rate = np.array(LANDSCAPES[problem].start), OPTIMIZERS["SGD"].rates[problem]
    path = torch_paths("float64")[problem]["SGD"]
    points = {0: point}
    for step in range(1, 501):
        points[step] = point = point - rate * gradient(problem, point)
    expected = [points[int(step)] for step in path.steps]
    np.testing.assert_allclose(path.points, expected, rtol=0, atol=1e-11)


@pytest.mark.slow
def test_paths_are_those_of_pytorch(result):
    assert result.distances.keys() == {"float32", "float64"}
    for problem in LANDSCAPES:
        double, single = (result.distances[f"float{n}"][problem] for n in (64, 32))
        assert double.keys() == single.keys() == {*FEW}
        assert max(double.values()) < 1e-12
        # Muon's roundings to bfloat16 need not be those of PyTorch in float32.
        assert 0 < single["SGD"] < 1e-4
        assert single["SparseAdam"] < 1e-4


@pytest.mark.slow
def test_lbfgs_makes_an_iteration_a_step(float64):
    entry = OPTIMIZERS["LBFGS"]
    optimizer = make(entry, entry.rates["valley"])
    path = follow(optimizer, LANDSCAPES["valley"], scaled_readings(), 40)
    recorded = torch_paths("float64")["valley"]["LBFGS"]
    # It multiplies roundings on its way, PyTorch's as well.
    assert recorded.distance(np.asarray(path)) < 1e-9
    found = judge(np.asarray(path), np.ones(2), LOOKS["valley"])
    assert found.kind == "arrives" and found.arrival == 29


def test_another_optimizer_is_far_from_pytorch():
    recorded = torch_paths("float32")

    @jax.jit
    def paths(readings):
        return {
            (problem, maker.__module__): follow(
                maker(OPTIMIZERS["Rprop"].rates[problem]), landscape, readings, 40
            )
            for problem, landscape in LANDSCAPES.items()
            for maker in (optax.rprop, fl.optimizers.rprop)
        }

    for (problem, module), path in paths(scaled_readings()).items():
        distance = recorded[problem]["Rprop"].distance(np.asarray(path))
        assert distance > 0.1 if module.startswith("optax") else distance < 1e-5


@pytest.mark.slow
def test_distance_is_the_largest_where_both_have_points(result):
    path = result.torch["float64"]["valley"]["SGD"]
    other = np.zeros((31, 2))
    kept = [step for step in path.steps if step <= 30]
    expected = max(np.linalg.norm(path.points[i]) for i in range(len(kept)))
    assert path.distance(other) == pytest.approx(expected)


def test_tables_have_a_column_of_distances(outcome, result):
    for table, problem in zip(outcome.tables, LANDSCAPES, strict=True):
        assert [row[0] for row in table.rows] == [*FEW]
        for dtype, distances in result.distances.items():
            column = table.columns.index(f"In {dtype}")
            assert [row[column] for row in table.rows] == pytest.approx(
                [*distances[problem].values()], rel=0.05
            )


def test_other_rates_are_said_to_be_of_different_runs(outcome):
    words = "those of different runs"
    other = run(Config(optimizers=("SGD",), steps=5, rate_factor=0.5))
    assert any(words in finding for finding in other.findings)
    assert not any(words in finding for finding in outcome.findings)
    assert other.tables[0].rows[0][2] == OPTIMIZERS["SGD"].rates["thermometer"] / 2


def test_double_precision_in_use_has_one_column_of_distances(few, float64):
    result = study(few)
    assert [*result.distances] == ["float64"]
    assert result.paths["valley"]["SGD"].dtype == np.float64


def test_optimizer_named_twice_is_refused():
    with pytest.raises(ValueError, match="optimizers must differ"):
        study(Config(optimizers=("SGD", "SGD")))


def test_best_points_are_where_the_gradient_is_zero():
    best = best_points(fl.Dataset(X, Y))
    for problem, point in best.items():
        np.testing.assert_allclose(gradient(problem, point), 0, atol=1e-12)


LOOK = LOOKS["valley"]._replace(window=((0.0, 1.0), (0.0, 1.0)))
ALONG = np.linspace([0.0, 0.0], [1.0, 1.0], 11)
# Six turns by 143 degrees are nearly five half circles; seven are more.
ZIGZAG = np.array([[0.0, 0.3 * (step % 2)] for step in range(9)])
ZIGZAG[:, 0] = 0.1 * np.arange(9)


@pytest.mark.parametrize(
    "path, verdict, words",
    [
        (ALONG, Verdict("arrives", 1.0, 10), "arrives at 10"),
        (ALONG[:4], Verdict("crawls", 0.3, None), "crawls, 30%"),
        (np.tile([[0.5, 0.5]], (3, 1)), Verdict("crawls", 0.0, None), "crawls, 0%"),
        (ZIGZAG[:8], Verdict("crawls", 1 - 0.29**0.5, None), "crawls, 46%"),
        (ZIGZAG, Verdict("bounces", 1 - 0.52**0.5, None), "bounces, 28%"),
        (
            np.concatenate([ZIGZAG, [[1, 1]]]),
            Verdict("arrives", 1.0, 9),
            "arrives at 9",
        ),
        (-ALONG[:3], Verdict("crawls", -0.2, None), "crawls, farther off"),
        (np.array([[0.0, 0.0], [np.inf, 0.0]]), None, "blows up"),
    ],
)
def test_verdicts(path, verdict, words):
    found = judge(path, np.ones(2), LOOK)
    assert f"{found}" == words
    if verdict:
        assert found.kind == verdict.kind and found.arrival == verdict.arrival
        assert found.covered == pytest.approx(verdict.covered)


def test_turns_too_small_to_be_seen_do_not_count():
    assert half_turns(ZIGZAG / 100) == 0
    assert half_turns(ZIGZAG) == pytest.approx(7 * (1 - 2 * np.arctan(1 / 3) / np.pi))
