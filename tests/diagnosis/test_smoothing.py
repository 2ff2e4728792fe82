"""The jitter and the errors are those of known noise; a course stays where it is."""

import numpy as np
import pytest

SIZES = (40, 200, 2000)


@pytest.fixture(scope="module")
def smoothing(fl):
    from funclearn.diagnosis import _smoothing

    return _smoothing


@pytest.mark.parametrize("course", ["flat", "line", "fall", "cycles"])
@pytest.mark.parametrize("deviation", [1e-3, 0.1])
def test_jitter_is_the_deviation_of_normal_noise(smoothing, course, deviation):
    t = np.arange(20_000) / 20_000
    curve = {
        "flat": 10 + 0 * t,
        "line": 10 - 5 * t,
        "fall": 10 + 5 * np.exp(-4 * t),
        "cycles": 10 + np.cos(100 * t),
    }[course]
    noise = deviation * np.random.default_rng(0).normal(size=t.size)
    assert smoothing.jitter_of(curve + noise) == pytest.approx(deviation, rel=0.03)


@pytest.mark.parametrize("epochs, within", [(60, 0.1), (200, 0.05)])
def test_the_jitter_of_many_draws_is_right_in_the_middle(smoothing, epochs, within):
    noise = np.random.default_rng(1).normal(5, 1, (500, epochs))
    found = np.median([smoothing.jitter_of(curve) for curve in noise])
    assert found == pytest.approx(1, rel=within)


def test_jitter_is_never_below_rounding(smoothing):
    found = smoothing.jitter_of(np.full(100, 3.0))
    assert found == pytest.approx(300 * np.finfo(np.float32).eps)
    assert smoothing.jitter_of(np.array([3.0])) == pytest.approx(found)


@pytest.mark.parametrize("epochs", SIZES)
def test_smoothing_is_the_median_of_a_window(smoothing, epochs):
    curve = np.random.default_rng(epochs).normal(size=epochs)
    half = smoothing.half_width(curve)
    found = smoothing.smooth(curve)
    assert half == min(epochs // 40, 50)
    for middle in (half, epochs // 2, epochs - 1 - half):
        window = curve[middle - half : middle + half + 1]
        assert found[middle] == np.median(window)


def test_smoothing_leaves_a_monotone_curve_where_it_is_but_for_its_ends(smoothing):
    curve = np.exp(-np.arange(400) / 100)
    half = smoothing.half_width(curve)
    inner = slice(half, len(curve) - half)
    np.testing.assert_array_equal(smoothing.smooth(curve)[inner], curve[inner])


@pytest.mark.parametrize("epochs", SIZES)
@pytest.mark.slow
def test_the_error_of_a_change_is_that_of_many_draws(smoothing, epochs):
    noise = np.random.default_rng(2).normal(size=(1000, epochs))
    changes = []
    for curve in noise:
        smooth = smoothing.smooth(curve)
        changes.append(smooth[-1] - smooth[epochs // 2])
    expected = np.std(changes)
    found = smoothing.error_of_change(noise[0], 1.0)
    assert found == pytest.approx(expected, rel=0.15)


def test_wandering_is_the_error_of_a_change_of_independent_noise(smoothing):
    noise = np.random.default_rng(3).normal(size=(200, 2000))
    found = np.median([smoothing.wandering(smoothing.smooth(c)) for c in noise])
    assert found == pytest.approx(smoothing.error_of_change(noise[0], 1.0), rel=0.3)
    assert smoothing.wandering(np.arange(3.0)) == 0
    assert smoothing.wandering(np.arange(2000.0)) == 0


def test_ends_are_the_first_and_last_loss_of_a_curve_without_jitter(smoothing):
    curve = np.linspace(30, 1, 30)
    jitter = smoothing.jitter_of(curve)
    assert smoothing.ends(curve, smoothing.smooth(curve), jitter) == (30, 1)


def test_a_low_first_loss_and_a_high_last_one_are_chance(smoothing):
    curve = np.r_[0.5, np.full(98, 1.0), 3.0]
    assert smoothing.ends(curve, smoothing.smooth(curve), 1.0) == (1, 1)


def test_an_explosion_at_the_end_is_no_chance(smoothing):
    curve = np.r_[np.full(99, 1.0), 1e6]
    assert smoothing.ends(curve, smoothing.smooth(curve), 0.5) == (1, 1e6)
