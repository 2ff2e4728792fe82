"""Weights are 1 where a change begins to count, by the loss and by what was learnt."""

import math

import numpy as np
import pytest

T = np.arange(1000) / 1000
FALL = np.exp(-20 * T)


@pytest.fixture(scope="module")
def evidence(fl):
    from funclearn.diagnosis import _evidence

    return _evidence


@pytest.fixture(scope="module")
def level(fl, evidence):
    from funclearn.diagnosis._curves import measure

    def level(training, judged):
        found = measure(training, judged, rows=math.inf)
        signed = bool(judged.min() < 0)
        return evidence.weigh_level(
            found.training, found.validation, found.validation_fall, signed=signed
        )

    return level


def test_a_fall_counts_by_the_loss_and_by_what_was_learnt(evidence):
    from funclearn.diagnosis._falls import Fall

    fall = Fall(0.1, 0.05, 0.2, 0.0, 1.0)
    # A twentieth of the loss and a hundredth of what was learnt begin to count.
    assert evidence.weigh_fall(fall, 2.0, 1.0).next == pytest.approx(1)
    assert evidence.weigh_fall(fall, 2.0, 100.0).next == pytest.approx(0.1)
    assert evidence.weigh_fall(fall, -2.0, 2.0).next == pytest.approx(1)
    assert evidence.weigh_fall(fall, 2.0, 1.0).floor == 0


def test_a_level_counts_from_one_and_three_quarters_on(level):
    weights = [level(0.2 + FALL, 0.2 * times + FALL) for times in (1, 1.75, 4)]
    assert weights[0] == 0
    assert weights[1] == pytest.approx(1, rel=0.01)
    assert weights[2] == pytest.approx(4, rel=0.01)


def test_rows_that_are_harder_from_the_start_may_be_no_sign(level):
    training = 0.2 + FALL
    assert level(training, 3 * training) == 1
    # The factor has grown since then.
    assert level(training, 0.6 + FALL) > 2


def test_a_level_next_to_what_was_learnt_is_nothing(level):
    assert level(np.maximum(FALL - 1e-4, 0), np.maximum(FALL, 1e-9)) < 0.01


def test_the_level_of_a_negative_loss_counts_by_what_was_learnt(level):
    assert level(FALL - 3, 0.7 * FALL - 2.7) == pytest.approx(1, rel=0.02)
    assert level(FALL - 50, 0.7 * FALL - 49.7) == pytest.approx(1, rel=0.02)


def test_a_rise_counts_by_the_loss_and_by_what_was_learnt(evidence):
    from funclearn.diagnosis._curves import measure

    found = measure(0.5 + FALL, 1 + FALL, rows=math.inf).validation
    assert found is not None
    found = found._replace(rise=0.14, last_validation=2.0, validation_learnt=1.0)
    assert evidence.weigh_rise(found, signed=False) == pytest.approx(1)
    assert evidence.weigh_rise(found, signed=True) == pytest.approx(2)
    far = found._replace(validation_learnt=200.0)
    assert evidence.weigh_rise(far, signed=False) == pytest.approx(0.1)
