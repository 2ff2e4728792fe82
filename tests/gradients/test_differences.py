"""Finite differences, and errors that are as small as they say."""

import numpy as np
import pytest

from funclearn.gradients._differences import differences
from funclearn.gradients._stencil import sizes_of, stencil


def differentiate(function, point, *, noise=0.0, first=None):
    """The derivative of a function of one number, with everything known about it."""
    points = np.array([float(point)])
    sizes = sizes_of(points, np.ones(1)) if first is None else np.array([first])
    where = stencil(points, sizes, order=1)
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


# Functions without a derivative at zero, whatever their central differences say.
NO_DERIVATIVE = {
    "root": np.sqrt,
    "logarithm": np.log,
    "x log x": lambda x: np.where(x > 0, x * np.log(np.where(x > 0, x, 1)), 0 * x),
    "jump": lambda x: np.round(x + 0.5),
    "cusp": lambda x: np.sqrt(np.abs(x)),
    "odd root": np.cbrt,
    "a value of its own": lambda x: np.where(x == 0, 5.0, x**2),
    "nowhere": lambda x: np.where(x == 0, 1.0, np.nan),
    "waves": lambda x: x * np.sin(1 / np.where(x == 0, 1, x)),
}


@pytest.mark.parametrize("function", NO_DERIVATIVE.values(), ids=NO_DERIVATIVE)
@pytest.mark.parametrize("sign", [1, -1])
def test_no_derivative(function, sign):
    found = differentiate(lambda x: function(sign * x), 0.0)
    assert not found.bounds < 1


# Functions with values on one side of a point, and their derivative there.
EDGES = {
    "power 3/2": (lambda x: x**1.5, 0.0, 0.0),
    "power 5/2": (lambda x: 2 * x - x**2.5, 0.0, 2.0),
    "parabola": (lambda x: np.where(x >= 0, x**2 + 3 * x, np.nan), 0.0, 3.0),
    "overflow": (lambda x: np.where(x > 0, np.inf, np.exp(x)), 0.0, 1.0),
    "arccosine": (lambda x: np.arccos(x) ** 2, 1.0, -2.0),
    "last number": (np.exp, 709.782712893384, np.exp(709.782712893384)),
}


@pytest.mark.parametrize("edge", EDGES.values(), ids=EDGES)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_derivative_at_an_edge_is_that_of_its_side(edge, sign):
    function, point, slope = edge
    found = differentiate(lambda x: function(sign * x), sign * point)
    assert np.abs(found.values - sign * slope) <= found.bounds
    assert found.bounds <= 1e-7 * max(abs(slope), found.changes[0])
    assert found.sides in (1, -1) and found.kinks == 0


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.maximum(x, 0) ** 2,
        lambda x: np.where(x > 0, np.exp(x), 1 + x),
        lambda x: x * np.abs(x) + np.sin(x),
    ],
)
def test_sides_of_unequal_curvature_are_seen_sharply(function):
    found = differentiate(function, 0.0, noise=1e-16)
    slope = {0.0: 0.0, 1.0: 1.0}[round(function(0.25) - function(-0.25), 0)]
    assert np.abs(found.values - slope) <= found.bounds < 1e-10
    assert found.kinks == 0


def test_steps_beyond_the_scale_of_a_function_do_not_settle():
    def discharge(x):
        return np.exp(-1e-3 / np.abs(x))

    slope = discharge(1e-3) * 1e-3 / 1e-3**2
    afar = differentiate(discharge, 1e-3, first=4096.0)
    assert not afar.settled and np.isinf(afar.bounds)
    near = differentiate(discharge, 1e-3, first=2.0**-10)
    assert np.abs(near.values - slope) <= near.bounds < 1e-9 * slope


def test_changes_are_zero_where_there_is_only_noise():
    generator = np.random.default_rng(0)
    noisy = differentiate(
        lambda x: 1e-9 * generator.uniform(-1, 1, x.shape), 1, noise=1e-9
    )
    assert noisy.changes == 0
    assert differentiate(np.sin, 0.5).changes == pytest.approx(np.cos(0.5), rel=0.02)


def second(hessian_kink, point, direction):
    """Second differences of f(x, y) = r(x + y)² + x² - y³, with everything known."""
    point, direction = np.array(point, float), np.array(direction, float)

    def function(place):
        ramp = np.maximum(place.sum(axis=-1), 0)
        x, y = place[..., 0], place[..., 1]
        return hessian_kink * ramp**2 + x**2 - y**3

    where = stencil(point, np.ones(2), order=2)
    unit = np.eye(2)[:, None, None, :]
    places = (
        point
        + where.moves[..., None] * unit
        + where.shifts[None, :, :, None] * direction
    )
    return differences(where, function(places), float(function(point)), 1e-16)


@pytest.mark.parametrize("direction", [(1.0, 0.5), (-1.0, 0.25), (0.5, 2.0)])
def test_second_differences_at_a_kink_of_the_gradient(direction):
    # Along d the gradient of r(x + y)² is 2 (dx + dy) or 0, on either side.
    found = second(1.0, [0.0, 0.0], direction)
    half = abs(sum(direction))
    smooth = np.array([2 * direction[0], 0.0])
    np.testing.assert_allclose(found.kinks, half, rtol=1e-9)
    np.testing.assert_allclose(found.values, smooth + sum(direction), atol=1e-9)
    assert found.settled.all()
    assert not second(1.0, [0.5, 0.25], direction).kinks.any()
    assert not second(0.0, [0.0, 0.0], direction).kinks.any()


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
