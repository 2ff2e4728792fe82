"""What is made of the numbers that a comparison found."""

import numpy as np
import pytest

from funclearn.gradients import Agreement

RIGHT = {"params.a": np.array([[1.0, 2.0], [4.0, -8.0]]), "params.b": np.array(100.0)}


def changed(**changes):
    """The right derivatives, with some of the flattened ones changed."""
    found = {name: values.copy() for name, values in RIGHT.items()}
    for position, value in changes.items():
        found["params.a"].flat[int(position[1:])] = value
    return found


def test_coordinates_are_named_as_python_reaches_them(make_report):
    coordinates = make_report(RIGHT).coordinates
    names = [coordinates.name(number) for number in range(5)]
    assert names[0] == "params.a[0, 0]" and names[3] == "params.a[1, 1]"
    assert names[4] == "params.b"


def test_verdicts(make_report):
    right, wrong = changed(), changed(_1=2.5)
    assert make_report(RIGHT, {"f": right}).verdict is Agreement.AGREES
    assert make_report(RIGHT, {"f": wrong}).verdict is Agreement.DISAGREES
    assert make_report(RIGHT, autodiff=wrong).verdict is Agreement.DISAGREES
    report = make_report(RIGHT, {"f": wrong, "g": right}, near=True)
    assert report.verdict is Agreement.NEARLY_AGREES
    assert report.worst(5) == [1]
    undecided = np.array([True, True, True, True, False])
    report = make_report(RIGHT, {"f": wrong}, near=True, decided=undecided)
    assert report.verdict is Agreement.CANNOT_TELL
    assert report.worst(5) == [4]
    # A disagreement is one, whatever else cannot be told.
    report = make_report(RIGHT, {"f": wrong, "g": right}, decided=undecided)
    assert report.verdict is Agreement.DISAGREES
    assert [tested.name for tested in report.tested] == ["autodiff", "f", "g"]
    assert [tested.verdict for tested in report.tested] == [
        "cannot tell",
        "disagrees",
        "cannot tell",
    ]


def test_verdicts_on_some_coordinates(make_report):
    undecided = np.array([True, True, True, True, False])
    report = make_report(RIGHT, {"f": changed(_1=2.5)}, decided=undecided)
    form, leaf = report.closed_forms[0], report.coordinates.leaf
    assert [form.among(leaf == number) for number in (0, 1)] == [
        "disagrees",
        "cannot tell",
    ]
    assert report.autodiff.among(leaf == 0) == "agrees"
    assert form.among(leaf == 2) == "agrees"


def test_power_is_the_worst_relative_error_that_is_caught(make_report):
    caught = np.array([1e-6, 1e-6, 1e-6, 1e-6, 5e-6])
    assert make_report(RIGHT, caught=caught).power == pytest.approx(1e-6)
    on_kink = np.array([1.0, 0, 0, 0, 0])
    report = make_report(RIGHT, caught=caught, kinks=on_kink)
    assert report.power == pytest.approx(5e-7)
    # A kink counts where it is undecided.
    decided = np.array([False, True, True, True, True])
    report = make_report(RIGHT, caught=caught, kinks=on_kink, decided=decided)
    assert report.power == pytest.approx(1e-6)


def test_relative_errors(make_report):
    report = make_report({"params": np.array([2.0, 0.0, -4.0, 1.0])})
    errors = np.array([1.0, 1.0, np.inf, np.nan])
    np.testing.assert_array_equal(report.relative(errors), [0.5, 0, np.inf, np.nan])


def test_the_worst_are_the_farthest_off_in_their_array(make_report):
    form = changed(_0=1.4, _3=-8.8, _2=np.nan)
    form["params.b"] = np.array(101.0)
    report = make_report(RIGHT, {"f": form})
    # Infinitely far, then 0.8 and 0.4 of 8, then 1 of 100.
    assert report.worst(10) == [2, 3, 0, 4]
    assert report.worst(2) == [2, 3]


def test_without_a_disagreement_the_worst_are_the_least_decided(make_report):
    decided = np.array([True, False, False, True, False])
    caught = np.array([9.0, 1.0, 3.0, 9.0, 1.0])
    report = make_report(RIGHT, decided=decided, caught=caught)
    assert report.worst(10) == [2, 1, 4]
    assert make_report(RIGHT).worst(10) == []
