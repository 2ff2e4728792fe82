"""Limits of quotients, whose errors are as small as they say."""

import numpy as np
import pytest

from funclearn.gradients._extrapolation import extrapolate

STEPS = 4.0 ** -np.arange(12)
EVEN = (2.0, 4.0, 6.0, 8.0)


@pytest.mark.parametrize("powers", [EVEN, (1.0, 3.0, 5.0), (0.5, 1.0, 1.5)])
def test_the_powers_that_are_named_leave_nothing(powers):
    quotients = 3 + np.sum([STEPS**power for power in powers], axis=0)
    found = extrapolate(quotients[None], np.zeros((1, 12)), powers)
    assert found.values == pytest.approx(3, abs=1e-13)
    assert found.truncation < 1e-8


def test_the_error_is_estimated_where_a_power_is_left():
    found = extrapolate((3 + STEPS**1.5)[None], np.zeros((1, 12)), EVEN)
    assert 0 < abs(found.values - 3) < 10 * found.truncation < 1e-7


def test_rounding_is_the_noise_of_the_smallest_step_that_is_used():
    noises = 1e-6 / STEPS[None]
    constant = extrapolate(np.full((1, 12), 2.0), noises, EVEN)
    assert constant.truncation == 0 and constant.rounding == noises[0, 1]


def test_an_agreement_by_chance_is_not_trusted():
    # The first two are alike, and all that follow differ from them.
    quotients = np.array([[5.0, 5.0, *(3 + STEPS[2:] ** 2)]])
    found = extrapolate(quotients, np.full((1, 12), 1e-12), EVEN)
    assert found.values == pytest.approx(3, abs=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_left_out(bad):
    some, none = 3 + STEPS**2, np.full(12, bad)
    some[:4] = bad
    with np.errstate(invalid="ignore"):
        found = extrapolate(np.stack([some, none]), np.zeros((2, 12)), EVEN)
    assert found.values[0] == pytest.approx(3, abs=1e-13)
    assert found.truncation[0] < 1e-13 and np.isinf(found.truncation[1])
