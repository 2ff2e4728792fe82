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
    assert found.validation is None


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


def test_numbers_have_their_names(curves, measure):
    curve = np.exp(-EPOCHS / 100)
    alone, beside = measure(curve, rows=5.0), measure(curve, curve + 1, rows=5.0)
    training, validation = curves.Training._fields, curves.Validation._fields
    assert tuple(alone.by_name()) == training
    assert tuple(beside.by_name()) == training + validation
    assert beside.by_name()["parting"] == beside.validation.parting


def test_what_is_learnt_leaves_out_the_first_epochs(measure):
    # A far start is forgotten in the first epoch; 1 is left to be learnt from there.
    found = measure(1e6 * (EPOCHS == 0) + np.exp(-EPOCHS / 200), rows=math.inf)
    later = np.exp(-20 / 200) - np.exp(-999 / 200)
    assert found.training.learnt == pytest.approx(later, rel=0.05)
    # Where nothing is learnt later on, the first epoch is all that there is.
    once = np.where(EPOCHS == 0, 2.0, 1.0)
    assert measure(once, rows=math.inf).training.learnt == 1


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_what_is_lost_is_the_part_that_others_do_not_learn(measure, share):
    fall = np.exp(-EPOCHS / 200)
    others = (1 - share) * fall + share
    lost = measure(fall - 5, others - 5, rows=math.inf).validation.lost
    assert lost == pytest.approx(share, abs=0.01)


def test_a_metric_parts_by_its_own_rise(measure):
    judged = 0.5 + np.abs(EPOCHS - 400) / 1000
    found = measure(1 - EPOCHS / 1000, judged, rows=math.inf, comparable=False)
    # But for half of a median's width at either end.
    assert found.validation.rise == pytest.approx(0.599, abs=0.05)
    expected = found.validation.rise / found.validation.last_validation
    assert found.validation.parting == pytest.approx(expected)


def test_of_negative_losses_the_range_is_the_scale(measure):
    judged = -3 + np.abs(EPOCHS - 400) / 1000
    found = measure(-2 - EPOCHS / 1000, judged, rows=math.inf).validation
    assert found.scale == pytest.approx(0.6, abs=0.05)
    assert found.rise == pytest.approx(0.599, abs=0.05)


def test_floors_are_not_below_zero_but_of_negative_losses(measure):
    line = 10 - EPOCHS / 200
    assert measure(line, line, rows=math.inf).training.floor == 0
    below = measure(line - 100, line - 100, rows=math.inf)
    assert below.training.floor < -100
    assert below.validation.validation_floor == below.training.floor


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_measures_have_the_unit_of_the_losses(measure, unit):
    training, judged = np.exp(-EPOCHS / 200) + 0.1, np.exp(-EPOCHS / 100) + 0.3
    plain = measure(training, judged, rows=50.0).by_name()
    other = measure(unit * training, unit * judged, rows=50.0).by_name()
    same = {"epochs", "validation_falls_until", "parting", "lost"}
    for name, value in plain.items():
        unitless = name in same or name.startswith("by_")
        expected = value if unitless else unit * value
        assert other[name] == pytest.approx(expected, rel=1e-5, abs=1e-9 * unit)
