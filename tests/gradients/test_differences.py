"""Finite differences, and errors that are as small as they say."""

import numpy as np
import pytest

from funclearn.gradients._differences import differences, sizes_of, stencil


def differentiate(function, point, *, noise=0.0):
    """The derivative of a function of one number, with everything known about it."""
    points = np.array([float(point)])
    where = stencil(points, sizes_of(points, np.ones(1)), order=1)
    with np.errstate(all="ignore"):
        samples = function(points[:, None, None] + where.moves)
        return differences(where, samples, float(function(points[0])), noise)


SMOOTH = {
    "exp": (np.exp, np.exp),
    "sine": (np.sin, np.cos),
    "fast sine": (lambda x: np.sin(300 * x), lambda x: 300 * np.cos(300 * x)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "parabola": (lambda x: 3 * x**2 - x, lambda x: 6 * x - 1),
    "constant": (lambda x: 0 * x + 3, lambda x: 0 * x),
    "pole nearby": (lambda x: 1 / (x - 0.11), lambda x: -1 / (x - 0.11) ** 2),
    "kinks all around": (lambda x: np.abs(x % 0.125), lambda x: x**0),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("point", [-3.3, -0.7, 0.1, 1.3, 20.7])
def test_smooth_functions(name, point):
    function, derivative = SMOOTH[name]
    found = differentiate(function, point)
    error = np.abs(found.values - derivative(np.float64(point)))
    assert error <= found.bounds
    assert found.bounds <= 1e-7 * max(abs(found.values[0]), abs(function(point)), 1)
    assert found.kinks == 0


@pytest.mark.parametrize("noise", [1e-12, 1e-8, 1e-4])
def test_noise_is_counted(noise):
    generator = np.random.default_rng(0)
    errors, bounds = [], []
    for point in np.linspace(-2, 2, 50):
        found = differentiate(
            lambda x: np.sin(x) + noise * generator.uniform(-1, 1, np.shape(x)),
            point,
            noise=noise,
        )
        errors.append(abs(found.values - np.cos(point)))
        bounds.append(found.bounds)
    assert np.all(np.array(errors) <= bounds)
    assert np.median(bounds) < 1e4 * noise


def test_a_parabola_takes_the_largest_step():
    coarse = differentiate(lambda x: x**2, 1.0, noise=1e-10)
    assert coarse.rounding < 1e-9 < differentiate(np.exp, 1.0, noise=1e-10).rounding


@pytest.mark.parametrize(
    ("function", "point", "mean", "half"),
    [
        (np.abs, 0.0, 0.0, 1.0),
        (lambda x: np.maximum(3 * x, x), 0.0, 2.0, 1.0),
        (lambda x: np.abs(x - 1.5) + np.exp(x), 1.5, np.exp(1.5), 1.0),
        (lambda x: 1e-3 * np.abs(x) + x**2, 0.0, 0.0, 1e-3),
    ],
)
def test_kinks(function, point, mean, half):
    found = differentiate(function, point)
    assert found.values == pytest.approx(mean, abs=1e-9)
    assert found.kinks == pytest.approx(half, rel=1e-6)


@pytest.mark.parametrize("function", [np.sqrt, np.log, lambda x: np.round(x + 0.5)])
def test_no_derivative(function):
    found = differentiate(function, 0.0)
    assert not found.bounds < 1


def test_changes_are_zero_where_there_is_only_noise():
    generator = np.random.default_rng(0)
    noisy = differentiate(
        lambda x: 1e-9 * generator.uniform(-1, 1, x.shape), 1, noise=1e-9
    )
    assert noisy.changes == 0
    assert differentiate(np.sin, 0.5).changes == pytest.approx(np.cos(0.5), rel=0.02)


def test_sums_with_steps_are_exact():
    point = np.array([0.1, -37.3, 1e-3, 0.0], np.float32).astype(float)
    where = stencil(point, sizes_of(point, np.full(4, 0.5)), order=1)
    np.testing.assert_array_equal(
        (point[:, None, None] + where.moves) - where.moves,
        np.broadcast_to(point[:, None, None], where.moves.shape),
    )


def test_second_differences_of_a_quadratic():
    matrix = np.array([[2.0, 1.0], [1.0, -3.0]])
    point, direction = np.array([0.5, 2.0]), np.array([0.5, -2.0])
    where = stencil(point, sizes_of(point, np.zeros(2)), order=2)
    unit = np.eye(2)[:, None, None, :]
    places = (
        point
        + where.moves[..., None] * unit
        + where.shifts[None, :, :, None] * direction
    )
    samples = np.einsum("...i,ij,...j", places, matrix, places) / 2
    found = differences(where, samples, float(point @ matrix @ point / 2), 1e-15)
    assert np.all(np.abs(found.values - matrix @ direction) <= found.bounds)
    assert np.all(found.bounds < 1e-11)
