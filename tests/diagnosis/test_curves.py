"""Measured numbers agree with the curves' formulas; chance is told from a rise."""

import math

import numpy as np
import pytest

EPOCHS = np.arange(1000)


@pytest.fixture(scope="module")
def curves(fl):
    from funclearn.diagnosis import _curves

    return _curves


@pytest.fixture(scope="module")
def measure(curves):
    return curves.measure


def test_a_training_curve_without_jitter_is_measured_exactly(measure):
    found = measure(np.arange(30.0, 0.0, -1.0), rows=math.inf)
    training = found.training
    assert (training.epochs, training.first_training) == (30, 30)
    assert (training.lowest_training, training.last_training) == (1, 1)
    # What rounding in single precision leaves of a straight line's bends.
    assert 0 < training.jitter < 1e-3
    assert found.validation is None and found.share_of_baseline is None


@pytest.mark.parametrize("half_life", [100, 300, 1000])
@pytest.mark.parametrize("rest", [0.0, 2.0])
def test_the_floor_of_a_geometric_fall_is_its_limit(measure, curves, half_life, rest):
    fall = 10 * 0.5 ** (EPOCHS / half_life)
    floor = measure(fall + rest, rows=math.inf).training.floor
    # At the horizon less than a tenth of what the end still lies above it is left.
    assert 0.5 ** (curves.HORIZON * len(EPOCHS) / half_life) < 0.1
    assert floor == pytest.approx(rest, abs=0.1 * fall[-1])


def test_a_fall_that_does_not_slow_down_ends_at_zero(measure):
    assert measure(100 - EPOCHS / 20, rows=math.inf).training.floor == 0


@pytest.mark.parametrize("deviation", [1e-3, 0.1, 1.0])
def test_jitter_is_the_deviation_of_normal_noise(measure, deviation):
    random = np.random.default_rng(0)
    noise = deviation * random.normal(size=20_000)
    course = 10 + 5 * np.exp(-np.arange(20_000) / 5000)
    found = measure(course + noise, rows=math.inf).training.jitter
    assert found == pytest.approx(deviation, rel=0.03)


def test_jitter_is_never_below_rounding(measure):
    found = measure(np.full(100, 3.0), rows=math.inf).training.jitter
    assert found == pytest.approx(300 * np.finfo(np.float32).eps)


def test_the_parting_of_two_curves_is_counted_from_the_last_fall(measure):
    training = 1 - EPOCHS / 1000
    judged = 1 + np.abs(EPOCHS - 400) / 1000
    found = measure(training, judged, rows=50.0).validation
    # The first epoch within one per cent of the lowest value, a median's half off.
    assert 390 - 25 <= found.validation_falls_until <= 400
    # Until epoch 400 the curves are parallel; then either moves by 599 thousandths.
    assert found.parting == pytest.approx(2 * 0.599 / judged[-1], rel=0.03)
    assert found.by_chance == pytest.approx(2 * math.sqrt(2 / 50), rel=0.01)
    assert found.lowest_validation == pytest.approx(1, abs=0.02)
    assert found.last_validation == pytest.approx(judged[-1], abs=0.02)


def test_chance_parts_curves_of_fewer_rows_by_more(measure):
    curve = np.exp(-EPOCHS / 100) + 1
    chances = [
        measure(curve, curve, rows=rows).validation.by_chance
        for rows in (2.0, 8.0, 200.0, math.inf)
    ]
    assert chances[:3] == pytest.approx([2, 1, 0.2], rel=1e-3)
    assert chances[3] < 1e-3


def test_a_validation_loss_of_zero_parts_by_nothing(measure):
    found = measure(np.zeros(50), np.zeros(50), rows=10.0).validation
    assert (found.parting, found.validation_falls_until) == (0, 1)


def test_numbers_have_their_names(measure):
    curve = np.exp(-EPOCHS / 100)
    alone, beside = measure(curve, rows=5.0), measure(curve, curve + 1, rows=5.0)
    training = [
        "epochs",
        "first_training",
        "lowest_training",
        "last_training",
        "jitter",
        "floor",
    ]
    validation = [
        "lowest_validation",
        "last_validation",
        "validation_floor",
        "validation_falls_until",
        "parting",
        "by_chance",
    ]
    assert list(alone.by_name()) == training
    assert list(beside.by_name()) == training + validation
    shared = beside._replace(share_of_baseline=0.5).by_name()
    assert list(shared) == [*training, *validation, "share_of_baseline"]
    assert shared["share_of_baseline"] == 0.5
    assert beside.by_name()["parting"] == beside.validation.parting


RISES = {
    "a tenth and more": ([1.0, 1.2], True),
    "less than a tenth": ([1.0, 1.05], False),
    "a fall": ([1.2, 1.0], False),
    "a fall and a rise to the start": (np.abs(EPOCHS - 500) / 500, False),
    "rounding at zero": (np.r_[0.0, np.full(99, 1e-12)], False),
    "one that jitters": (
        1 + 0.5 * np.random.default_rng(1).random(1000) + EPOCHS / 10_000,
        False,
    ),
    "an explosion": (2.0 ** np.arange(30), True),
    "one in the last epoch": (np.r_[np.ones(99), 1e3], True),
}


@pytest.mark.parametrize("losses, rises", RISES.values(), ids=RISES)
def test_a_rise_is_more_than_chance(curves, losses, rises):
    assert curves.has_risen(np.asarray(losses)) is rises


def test_any_rise_counts_where_a_rule_saw_it(curves):
    losses = np.array([1.0, 0.5, 1.01])
    assert not curves.has_risen(losses)
    assert curves.has_risen(losses, stopped=True)
    assert not curves.has_risen(losses[::-1], stopped=True)
