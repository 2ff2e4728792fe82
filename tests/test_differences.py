"""Finite differences whose errors are within what they say."""

import numpy as np
import pytest

from funclearn._differences import differences, sizes, stencil


def differentiate(function, point, *, noise=0.0, typical=0.0):
    """First derivatives of a function of one number, at several points."""
    point = np.asarray(point, float)
    where = stencil(point, sizes(point, typical), order=1)
    with np.errstate(all="ignore"):
        samples = function(point[:, None, None] + where.moves)
        found = [
            differences(stencil(point[i : i + 1], sizes(point[i : i + 1], typical), 1),
                        samples[i : i + 1], function(point[i]), noise)
            for i in range(len(point))
        ]
    return found


POINTS = np.array([-3.0, -0.7, 0.1, 1.3, 20.0])
SMOOTH = {
    "exp": (np.exp, np.exp),
    "sin": (np.sin, np.cos),
    "fast sine": (lambda x: np.sin(300 * x), lambda x: 300 * np.cos(300 * x)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "parabola": (lambda x: 3 * x**2 - x, lambda x: 6 * x - 1),
    "constant": (lambda x: 0 * x + 3, lambda x: 0 * x),
    "pole": (lambda x: 1 / (x - 0.11), lambda x: -1 / (x - 0.11) ** 2),
}
