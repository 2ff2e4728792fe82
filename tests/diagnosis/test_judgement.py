"""Each cause is found on curves that were made to show it, and on no others."""

import math

import numpy as np
import pytest

T = np.arange(1000) / 1000


@pytest.fixture(scope="module")
def judge(fl):
    from funclearn.diagnosis._curves import measure
    from funclearn.diagnosis._judgement import judge
    from funclearn.diagnosis._runs import Curves

    def judge_curves(training, judged=None, *, rows=math.inf, baseline=None, **how):
        curves = Curves(training, judged, **how)
        measured = measure(training, judged, rows=rows, comparable=curves.comparable)
        return judge(curves, measured, baseline)

    return judge_curves


def fall(rate):
    return np.exp(-rate * T)


SETTLES = 0.3 + fall(20)
HIGH = 0.95 + fall(20)
CAUSES = {
    "too short": (SETTLES[:9],),
    "flat": (np.ones(1000), np.ones(1000)),
    "unstable": (SETTLES + 0.3 * T,),
    "curves part": (0.01 + fall(20), 0.3 + fall(20) + np.maximum(T - 0.3, 0)),
    "level gap": (0.1 + fall(20), 0.3 + fall(20)),
    "gap may count": (1 + fall(20), 3 + fall(20)),
    "still learning": (0.1 + fall(1), 0.1 + fall(1)),
    "may still learn": (0.3 + fall(4.5),),
    "no validation": (SETTLES,),
    "unknown direction": (SETTLES, 0.9 - 0.8 * fall(20)),
    "curves agree": (SETTLES, 1.1 * SETTLES),
}


@pytest.mark.parametrize("cause, curves", CAUSES.items(), ids=CAUSES)
def test_the_cause_is_how_the_curves_were_made(judge, cause, curves):
    assert judge(*curves) == cause


@pytest.mark.parametrize(
    "baseline, cause",
    [
        (None, "curves agree"),
        (10.0, "curves agree"),
        (1.0, "no better than a constant"),
    ],
)
def test_a_baseline_tells_a_high_floor_from_a_settled_loss(judge, baseline, cause):
    assert judge(HIGH, HIGH, baseline=baseline) == cause


def test_few_rows_leave_everything_open(judge):
    assert judge(SETTLES, SETTLES, rows=2.0) == "uncertain validation"
    parts = CAUSES["curves part"]
    assert judge(*parts, rows=2.0) in ("curves may part", "gap may count")


def test_who_declares_the_direction_is_believed(judge):
    metric = CAUSES["unknown direction"]
    assert judge(*metric, declared=True, comparable=False) == "curves part"


def test_a_metric_that_never_gets_better_is_not_healthy(judge):
    how = {"declared": True, "comparable": False}
    assert judge(SETTLES, np.full(1000, 0.9), **how) == "gap may count"
    assert judge(SETTLES, 0.5 + 0.4 * fall(20), **how) == "curves agree"


def test_a_gap_that_may_count_does_not_hide_a_fall(judge):
    assert judge(1.1 - T, 1.15 - T) == "still learning"


@pytest.mark.parametrize("offset", [-10.0, -3.0])
def test_an_offset_of_negative_losses_does_not_decide(judge, offset):
    for name in ("curves part", "still learning", "curves agree", "no validation"):
        curves = [curve - 2 for curve in CAUSES[name]]
        if name == "curves agree":
            curves[1] = curves[0] + 0.01
        assert judge(*curves) == judge(*(curve + offset for curve in curves)) == name
