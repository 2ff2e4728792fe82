"""A fall goes on as its formula does."""

import numpy as np
import pytest

EPOCHS = 1000
T = np.arange(1, EPOCHS + 1) / EPOCHS


@pytest.fixture(scope="module")
def falls(fl):
    from funclearn.diagnosis import _falls

    return _falls


@pytest.fixture(scope="module")
def fall_of(falls):
    from funclearn.diagnosis._smoothing import jitter_of

    return lambda losses: falls.fall_of(losses, jitter_of(losses))


@pytest.mark.parametrize("rate", [0.5, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("rest", [0.0, 2.0])
def test_the_floor_of_an_exponential_is_its_limit(fall_of, rate, rest):
    losses = rest + 10 * np.exp(-rate * T)
    found = fall_of(losses)
    left = losses[-1] - rest
    assert found.floor == pytest.approx(rest, abs=0.02 * left)
    # In as many epochs again, what is left shrinks by exp(-rate).
    assert found.next == pytest.approx(left * (1 - np.exp(-rate)), rel=0.05)
    assert found.least <= found.next <= found.most


@pytest.mark.parametrize("power", [0.3, 0.5, 1.0, 2.0])
def test_a_power_law_goes_on_as_one(falls, fall_of, power):
    losses = 1 + (EPOCHS * T) ** -power
    found, end = fall_of(losses), losses[-1] - 1
    assert found.next == pytest.approx(end * (1 - 2**-power), rel=0.05)
    ahead = 1 + end * (1 + falls.HORIZON) ** -power
    assert found.floor == pytest.approx(ahead, abs=0.1 * end)


def test_a_line_falls_to_the_horizon(falls, fall_of):
    found = fall_of(100 - T)
    assert found.next == pytest.approx(1, rel=0.02)
    assert 100 - 1 - found.floor == pytest.approx(falls.HORIZON, rel=0.35)


def test_what_is_over_does_not_fall(fall_of):
    for losses in (np.ones(EPOCHS), 1 + np.exp(-60 * T), np.ones(3)):
        found = fall_of(losses)
        assert found.most <= 0.02
        assert found.floor == pytest.approx(losses[-1], abs=0.02)


def test_what_rises_does_not_fall(fall_of):
    assert fall_of(1 + T).next == 0


def test_cycles_fall_by_no_more_than_their_lowest_losses(fall_of):
    found = fall_of(1.5 - 0.5 * ((5 * T) % 1))
    assert found.next <= 0.01


def test_chance_widens_what_a_fall_may_be(fall_of):
    noise = np.random.default_rng(0).normal(size=(40, EPOCHS))
    truth = np.exp(-1) * (1 - np.exp(-1))
    inside = 0
    for size in (0.01, 0.05):
        for draw in noise:
            found = fall_of(1 + np.exp(-T) + size * draw)
            inside += found.least <= truth <= found.most
    # Two standard errors, and the shape is uncertain besides.
    assert inside >= 0.9 * 80


@pytest.mark.parametrize("unit", [1e-30, 1e-6, 1e6, 1e200])
def test_a_fall_has_the_unit_of_the_losses(fall_of, unit):
    losses = 0.1 + np.exp(-2 * T)
    # A unit that is no power of two rounds.
    expected = unit * np.array(fall_of(losses))
    np.testing.assert_allclose(fall_of(unit * losses), expected, rtol=1e-6)
