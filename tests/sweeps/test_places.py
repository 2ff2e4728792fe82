"""Where runs are, by names and values."""

import numpy as np
import pytest

from funclearn.sweeps import _places
from funclearn.sweeps._values import Static

AXES = (("x", "y"), ("z",))


def test_a_name_has_an_axis():
    assert [_places.axis_of(name, AXES) for name in "xyz"] == [0, 0, 1]
    with pytest.raises(ValueError, match="'w' must be an axis of the sweep; it has x"):
        _places.axis_of("w", AXES)


def test_a_place_is_where_all_names_of_an_axis_match():
    matches = {"x": np.array([True, True]), "y": np.array([False, True])}
    assert _places.one_place(AXES, matches, {"x": 1, "y": 2}) == (1, slice(None))
    with pytest.raises(
        ValueError, match=r"{'x': 1} must be at one position .* \[0, 1\]"
    ):
        _places.one_place(AXES, matches, {"x": 1})


def test_equal_is_equal_but_for_rounding():
    values = {
        "x": np.array([0.1, 0.2], np.float32),
        "y": np.array([1, 2]),
        "n": Static("ab"),
    }
    assert _places.is_equal("x", values, 0.1).tolist() == [True, False]
    assert _places.is_equal("x", values, 0.1 * (1 + 1e-6)).tolist() == [False, False]
    assert _places.is_equal("y", values, 2).tolist() == [False, True]
    assert _places.is_equal("n", values, "b").tolist() == [False, True]
    with pytest.raises(TypeError, match="x must be a single number; got 'a'"):
        _places.is_equal("x", values, "a")
    with pytest.raises(ValueError, match="z holds no numbers"):
        _places.is_equal("z", {"z": np.ones((2, 2))}, 1)
