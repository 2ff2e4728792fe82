"""Gradient vectors against differences, in double precision."""

import numpy as np

from experiments import gradient_vectors
from experiments.gradient_vectors import chapter


def test_both_gradients_are_the_slopes_of_the_function(float64):
    points = np.random.RandomState(0).uniform(-2, 2, size=(50, 2))
    nudge = 1e-6 * np.eye(2)
    ends = points[:, None, None, :] + np.stack([nudge, -nudge])
    above, below = np.moveaxis(np.sin(np.sum(ends**2, axis=-1)), 1, 0)
    for gradient in chapter.gradients(points):
        np.testing.assert_allclose(gradient, (above - below) / 2e-6, atol=1e-8)


def test_the_steepest_direction_is_the_gradients():
    # Where x² + y² = 1 the gradient is 2 cos(1) times the point itself.
    start, length = np.array([-0.6, 0.8]), 2 * np.cos(1)
    uphill = np.degrees(np.arctan2(0.8, -0.6))
    rise = chapter.rises(start, np.radians(np.arange(360)), 0.001)
    assert np.argmax(rise) == round(uphill)
    np.testing.assert_allclose(np.max(rise), length, rtol=0.01)
    _, finding = gradient_vectors.run(gradient_vectors.Config(at=(-0.6, 0.8))).findings
    assert f"points to {uphill:.1f}° and is {length:.3f} long" in finding
