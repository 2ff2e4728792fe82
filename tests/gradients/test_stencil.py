"""Steps that are exact, and of the size of a coordinate."""

import numpy as np
import pytest

from funclearn.gradients._stencil import RATIO, STEPS, sizes_of, stencil


@pytest.mark.parametrize(
    ("point", "typical", "size"),
    [
        (9.0, 5.2, 8.0),
        (-0.3, 0.0, 0.25),
        (0.0, 5.2, 4.0),
        (0.0, 0.0, 1.0),
        # Of the same unit as the rest of its array, and of one of its own.
        (0.01, 1.0, 1.0),
        (1e-6, 5.8e3, 2.0**-20),
        (1e-300, 1e300, 2.0**-997),
    ],
)
def test_sizes_are_powers_of_two_below_the_coordinate_or_what_is_typical(
    point, typical, size
):
    assert sizes_of(np.array([point]), np.array([typical])) == size


def test_sums_with_steps_are_exact():
    point = np.array([0.1, -37.3, 1e-3, 0.0], np.float32).astype(float)
    where = stencil(point, sizes_of(point, np.full(4, 0.5)), order=1)
    np.testing.assert_array_equal(
        (point[:, None, None] + where.moves) - where.moves,
        np.broadcast_to(point[:, None, None], where.moves.shape),
    )


def test_what_counts_is_the_distance_that_was_gone():
    # Half of the spacing of float64 at one is lost on one side, and not on the other.
    point, first = np.array([1.0]), np.array([2.0**-53 * RATIO ** (STEPS - 1)])
    where = stencil(point, first, order=1)
    assert where.reaches[0, -1].tolist() == [0, 2.0**-53]
    assert where.spans[0, -1] == 2.0**-54


@pytest.mark.parametrize("order", [1, 2])
def test_a_product_has_the_differences_that_it_should(order):
    # f(x, t) = 3x + 5t + 7xt: its slope is 3, its mixed second derivative 7.
    where = stencil(np.zeros(1), np.ones(1), order)
    x, t = where.moves, where.shifts[None]
    samples = 3 * x + 5 * t + 7 * x * t
    corners = samples[..., : where.weights.size]
    slopes = corners @ where.weights / where.weights.size / where.spans
    np.testing.assert_array_equal(slopes, np.full((1, STEPS), (3, 7)[order - 1]))
    assert where.reaches.shape == (1, STEPS, where.weights.size)
