"""Slips in derivations, each told from the numbers alone."""

import numpy as np
import pytest

from funclearn.gradients import likely_slip

RIGHT = {
    "W": np.array([[1.0, -2.0], [5.0, 0.3]]),
    "b": np.array([0.7, -1.9]),
}
PARAMS = np.array([0.4, -0.2, 0.1, 0.9, -0.6, 0.25])
ROWS = 7


def everywhere(change):
    return lambda: {name: change(values) for name, values in RIGHT.items()}


def replaced(**arrays):
    return lambda: {**RIGHT, **{name: np.array(x) for name, x in arrays.items()}}


def plus(extra):
    weight, bias = np.split(extra, [4])
    return lambda: {"W": RIGHT["W"] + weight.reshape(2, 2), "b": RIGHT["b"] + bias}


every = "every derivative is "
SLIPS = {
    "twice": (everywhere(lambda x: 2 * x), every + "twice what it should be"),
    "half": (everywhere(lambda x: x / 2), every + "half of what it should be"),
    "sign": (
        everywhere(np.negative),
        every + "of the wrong sign, as if two arguments were swapped",
    ),
    "sum": (
        everywhere(lambda x: ROWS * x),
        every + "a sum over 7 rows where there is a mean",
    ),
    "mean": (
        everywhere(lambda x: x / ROWS),
        every + "divided by the 7 rows once too often",
    ),
    "all three": (
        everywhere(lambda x: -2 * ROWS * x),
        every + "twice what it should be and a sum over 7 rows where there is a mean "
        "and of the wrong sign, as if two arguments were swapped",
    ),
    "some factor": (
        everywhere(lambda x: 3.25 * x),
        every + "3.25 times what it should be",
    ),
    "zero": (
        everywhere(np.zeros_like),
        every + "zero, as if its term had been left out",
    ),
    "one array": (replaced(b=2 * RIGHT["b"]), "b is twice what it should be"),
    "transposed": (replaced(W=RIGHT["W"].T), "W is transposed"),
    "missing L2": (
        plus(-0.6 * PARAMS),
        "the gradient of an L2 penalty of strength 0.3 is left out",
    ),
    "superfluous L2": (
        plus(0.6 * PARAMS),
        "the gradient of an L2 penalty of strength 0.3 does not belong to the "
        "objective",
    ),
    "missing L1": (
        plus(-0.5 * np.sign(PARAMS)),
        "the gradient of an L1 penalty of strength 0.5 is left out",
    ),
    "one entry": (
        replaced(W=[[1.0, -2.0], [5.0, 0.4]]),
        "W[1, 1] alone is wrong",
    ),
    "no slip": (replaced(W=[[1.0, 3.0], [-4.0, 7.7]], b=[3.3, 0.2]), None),
    "not finite": (replaced(b=[np.nan, -1.9]), None),
    "almost twice": (
        everywhere(lambda x: 2.001 * x),
        every + "2.001 times what it should be",
    ),
}


@pytest.mark.parametrize(("form", "slip"), SLIPS.values(), ids=SLIPS)
def test_likely_slip(make_report, form, slip):
    report = make_report(RIGHT, {"closed form": form()})
    assert likely_slip(report, PARAMS, [ROWS]) == slip


def test_exchanged_arrays(make_report):
    right = {"a": np.array([1.0, 5.0]), "b": np.array([2.0, -3.0]), "c": np.array(4.0)}
    form = {**right, "a": right["b"], "b": right["a"]}
    report = make_report(right, {"closed form": form})
    assert likely_slip(report, np.ones(5), ()) == "a and b are exchanged"


def test_lengths_of_one_and_two_are_factors_like_any_other(make_report):
    report = make_report(RIGHT, {"closed form": everywhere(lambda x: 2 * x)()})
    slip = likely_slip(report, PARAMS, [1, 2])
    assert slip == "every derivative is twice what it should be"
